"""Drives `kavi mcp` with the official Python SDK: one connection for all that a client may do, right or wrong, and one without anybody
to ask; one that vanishes while a call is under way; fifty at once. Over standard input and output, or HTTP where a URL is given."""
import asyncio, contextlib, json, os, subprocess, sys
import httpx2
from mcp import Client, StdioServerParameters, types
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

what, mode, kavi, workspace, env, *http = sys.argv[1:]
env = json.loads(env)
SPIN = {"act": "spin", "path": "Inbox/AI/never.md"}

@contextlib.asynccontextmanager
async def connect(**more):
    async with contextlib.AsyncExitStack() as stack:
        server = StdioServerParameters(command=kavi, args=["--workspace", workspace, "mcp"], env=env)
        if http:
            url, token = http
            headers = {"Authorization": f"Bearer {token}"}
            own = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=120))
            server = streamable_http_client(url, http_client=own)
        info = types.Implementation(name="python", version="1")
        yield await stack.enter_async_context(Client(server, mode=mode, client_info=info, **more))

def note(path):
    return {"path": path, "title": "T", "body": "B"}

async def names(client):
    return [tool.name for tool in (await client.list_tools(cache_mode="refresh")).tools]

async def failure(client, skill, arguments):
    failed = await client.call_tool(skill, arguments)
    return [failed.is_error, failed.content[0].text.split(":")[0]]

async def refusal(client, skill):
    try:
        await client.call_tool(skill, {})
    except MCPError as error:
        return error.error.code

async def skills(client, said):
    """All five, with what they are for."""
    written = await client.call_tool("write_note", note(f"Inbox/AI/{mode}.md"))
    said["write_note"] = [written.is_error, written.structured_content["written_path"]]
    day = await client.call_tool("create_daily_note", {"offset_minutes": 0})
    said["create_daily_note"] = [day.is_error, day.structured_content["created"]]
    tagged = await client.call_tool("read_notes_by_tag", {"tag": "tea"})
    said["read_notes_by_tag"] = [found["path"] for found in tagged.structured_content["notes"]]
    found = await client.call_tool("search_notes", {"query": "green tea"})
    said["search_notes"] = [hit["path"] for hit in found.structured_content["hits"]]
    summary = await client.call_tool("summarize_note", {"path": "Inbox/tea.md", "max_sentences": 1})
    said["summarize_note"] = summary.structured_content["summary"]

async def mistakes(client, said):
    said["bad arguments"] = await failure(client, "summarize_note", {"path": 7})
    said["oversize arguments"] = await failure(client, "summarize_note", {"path": "x" * (2 << 20)})
    said["no such note"] = await failure(client, "summarize_note", {"path": "not/there.md"})
    said["unknown tool"] = await refusal(client, "nothing_like_it")

async def promotion(client, said, changed):
    """Another process promotes what was only verified."""
    said["before it is promoted"] = ["act" in await names(client), await refusal(client, "act")]
    promote = [kavi, "--workspace", workspace, "promote-skill", "act", "--approved-by", "ada", "--yes"]
    subprocess.run(promote, env=env, check=True, capture_output=True)
    # What changed is noticed by whoever asks next; the notification comes with it.
    after = "act" in await names(client)
    await asyncio.wait_for(changed(), 60)
    ran = await client.call_tool("act", {"act": "list", "path": "Inbox"})
    said["after it is promoted"] = [after, ran.structured_content["said"]]

async def cancellation(client, said):
    """Once it is known to be at work, nobody wants it any more; the connection goes on."""
    begun = asyncio.Event()
    async def progress(*_):
        begun.set()
    call = asyncio.create_task(client.call_tool("act", SPIN, progress_callback=progress))
    await asyncio.wait_for(begun.wait(), 60)
    call.cancel()
    said["cancelled"] = isinstance((await asyncio.gather(call, return_exceptions=True))[0], asyncio.CancelledError)
    said["and on"] = (await client.call_tool("summarize_note", {"path": "Inbox/tea.md"})).is_error

async def drive():
    said, asked, told = {"mode": mode}, [], asyncio.Event()
    async def answer(context, params):
        asked.append(params.message)
        return types.ElicitResult(action="accept", content={"decision": "write"})
    async def message(message):
        if isinstance(message, types.ToolListChangedNotification):
            told.set()
    async with connect(elicitation_callback=answer, message_handler=message) as client:
        said["protocol"] = client.protocol_version
        said["tools"] = await names(client)
        await skills(client, said)
        said["asked"] = [message.split("`")[1] for message in asked]
        await mistakes(client, said)
        proposed = await client.call_tool("propose_skill", {
            "name": "tally", "description": "Counts words", "why": "I count", "side_effect_class": "READ_ONLY",
            "io": {"input": {"text": "str"}, "output": {"words": "int"}}})
        said["proposed"] = proposed.structured_content["status"]
        resources = [resource.uri for resource in (await client.list_resources()).resources]
        guidance = next(uri for uri in resources if str(uri).startswith("skill://"))
        said["guidance"] = (await client.read_resource(guidance)).contents[0].text.splitlines()[1]
        prompt = await client.get_prompt("write_proposal", {})
        said["prompt"] = prompt.messages[0].content.text.splitlines()[0]
        many = await asyncio.gather(*[client.call_tool("search_notes", {"query": "tea"}) for _ in range(50)])
        said["many"] = sum(1 for one in many if one.structured_content["hits"])
        if mode == "legacy":
            await promotion(client, said, told.wait)
        else:
            async with client.listen(tools_list_changed=True) as listening:
                await promotion(client, said, listening.__aiter__().__anext__)
        await cancellation(client, said)
    async with connect() as client:
        held = await client.call_tool("write_note", note(f"Inbox/AI/{mode}-held.md"))
        said["held"] = [held.is_error, held.content[0].text.split(":")[0]]
        said["commit"] = held.meta["kavi/held"]
    print(json.dumps(said, sort_keys=True))

async def vanish():
    """Goes without a word, and without ending what it started."""
    async def progress(*_):
        os._exit(7)
    async with connect() as client:
        await client.call_tool("act", SPIN, progress_callback=progress)

async def together():
    """All are connected before the first of them calls."""
    open, all_open = [], asyncio.Event()
    async def one(number):
        async with connect() as client:
            open.append(number)
            if len(open) == 50:
                all_open.set()
            await asyncio.wait_for(all_open.wait(), 120)
            listed = len(await names(client))
            path = f"Inbox/AI/{number}.md"
            found = await client.call_tool("search_notes", {"query": "tea"})
            held = await client.call_tool("write_note", note(path))
            return [listed, found.structured_content["hits"][0]["path"], held.structured_content["output"]["written_path"] == path]
    print(json.dumps(await asyncio.gather(*[one(number) for number in range(50)])))

asyncio.run({"drive": drive, "vanish": vanish, "together": together}[what]())
