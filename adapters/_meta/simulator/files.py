"""The simulated Graph API's files: what was uploaded or sent, and until when it is there. Addresses and rules are the dialects'."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar, Protocol

from adapters._meta.account import MetaAccount
from adapters._meta.simulator.graph import form_of, graph_error
from adapters.contract import RawRequest
from adapters.simulation import SimFile


class Holder(Protocol):
    """Who holds the files: the provider."""

    files: dict[str, SimFile]

    @property
    def meta(self) -> MetaAccount:
        """The settings that all of Meta's channels have."""
        ...

    def next_number(self) -> int:
        """A number that no other thing has."""
        ...


class Files:
    """All files of one number, Page or account, by their ids; a phone shows them longer than Meta serves them."""

    first_digits: ClassVar[str]
    lives: ClassVar[timedelta]

    def __init__(self, holder: Holder) -> None:
        self.holder = holder
        self.until: dict[str, datetime] = {}

    def keep(self, file: SimFile, now: datetime, lives: timedelta | None = None) -> str:
        """Store it, and give its id."""
        file_id = f"{self.first_digits}{self.holder.next_number():010d}"
        self.holder.files[file_id] = file
        self.until[file_id] = now + (lives or self.lives)
        return file_id

    def served(self, file_id: str, now: datetime) -> SimFile | None:
        """The file, while Meta has it."""
        until = self.until.get(file_id)
        return self.holder.files.get(file_id) if until is not None and now <= until else None

    def of_form(self, request: RawRequest, field: str) -> tuple[dict[str, str], SimFile]:
        """The fields of an upload, and its one file, in the field of that name."""
        fields, files = form_of(request)
        if len(files) != 1 or files[0].field != field:
            raise graph_error(100, f"The parameter {field} is required.")
        return fields, SimFile(name=files[0].name, mime_type=files[0].mime_type, content=files[0].content)

    def url(self, file_id: str, now: datetime) -> str:
        """Where a customer's file can be fetched for a while."""
        raise NotImplementedError
