"""What the skill write_note does, as a Python script: `write_note.py VAULT JSON`. It keeps no record."""

import hashlib
import os
import sys
import tempfile

from pydantic import BaseModel, ConfigDict, field_validator


class Input(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    path: str
    title: str
    body: str

    @field_validator("title")
    @classmethod
    def one_line(cls, title):
        title = title.strip()
        if not title or any(ord(c) < 32 for c in title):
            raise ValueError("not one line of text")
        return title

    @field_validator("path")
    @classmethod
    def in_the_inbox(cls, path):
        hidden = any(not name or name.startswith(".") for name in path.split("/"))
        if hidden or not path.startswith("Inbox/AI/") or not path.endswith(".md"):
            raise ValueError("no place for a note")
        return path


class Output(BaseModel):
    written_path: str
    sha256: str


def main():
    vault, text = sys.argv[1:]
    given = Input.model_validate_json(text)
    note = f"# {given.title}\n\n{given.body.rstrip()}\n".encode()
    target = os.path.join(vault, given.path)
    folder = os.path.dirname(target)
    handle, temporary = tempfile.mkstemp(dir=folder)
    with os.fdopen(handle, "wb") as file:
        file.write(note)
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, target)
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(opened)
    os.close(opened)
    print(Output(written_path=given.path, sha256=hashlib.sha256(note).hexdigest()).model_dump_json())


main()
