"""Drives `kavi mcp` with the official Python SDK: list, call, bad arguments, an unknown tool, a question, a proposal."""
import asyncio, json, sys
from mcp import Client, StdioServerParameters, types
from mcp.shared.exceptions import MCPError

async def run(kavi, workspace, env, mode):
    said = {"mode": mode}
    asked = []
    async def answer(context, params):
        asked.append(params.message)
        return types.ElicitResult(action="accept", content={"write": True})
    server = StdioServerParameters(command=kavi, args=["--workspace", workspace, "mcp"], env=env)
    async with Client(server, mode=mode, elicitation_callback=answer) as client:
        said["protocol"] = client.protocol_version
        said["server"] = client.server_info.name if client.server_info else None
        tools = (await client.list_tools()).tools
        said["tools"] = [tool.name for tool in tools]
        read = await client.call_tool("peek", {"path": "Inbox/hello.md"})
        said["read"] = read.structured_content
        bad = await client.call_tool("peek", {"path": 7})
        said["bad"] = [bad.is_error, bad.content[0].text.split(":")[0]]
        try:
            await client.call_tool("nothing_like_it", {})
        except MCPError as error:
            said["unknown"] = error.error.code
        path = f"Inbox/AI/{mode}.md"
        note = await client.call_tool("write_note", {"path": path, "title": "T", "body": "B"})
        said["note"] = [note.is_error, note.structured_content["written_path"]]
        said["asked"] = [path in message for message in asked]
        proposed = await client.call_tool("propose_skill", {
            "name": "tally", "description": "Counts words", "why": "I count", "side_effect_class": "READ_ONLY",
            "io": {"input": {"text": "str"}, "output": {"words": "int"}}})
        said["proposed"] = proposed.structured_content["status"]
        resources = (await client.list_resources()).resources
        said["guidance"] = (await client.read_resource(resources[0].uri)).contents[0].text.splitlines()[1]
        prompt = await client.get_prompt("write_proposal", {})
        said["prompt"] = prompt.messages[0].content.text.splitlines()[0]
        many = await asyncio.gather(*[client.call_tool("peek", {"path": "Inbox/hello.md"}) for _ in range(50)])
        said["many"] = sum(1 for one in many if one.structured_content == {"text": "hello"})
    return said

kavi, workspace, env = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
for mode in sys.argv[4:]:
    print(json.dumps(asyncio.run(run(kavi, workspace, env, mode)), sort_keys=True))
