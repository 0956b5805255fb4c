"""The objects of the service. Times are aware datetimes in UTC, ids are text."""

from __future__ import annotations

from ._records import Record

__all__ = [
    "Account",
    "ApiKey",
    "BatchResult",
    "Board",
    "ConnectSession",
    "CreatedApiKey",
    "Event",
    "FieldError",
    "Health",
    "Media",
    "PlatformFailure",
    "Section",
    "Target",
    "TargetRef",
    "Upload",
    "UploadContent",
    "UploadFields",
    "UploadRow",
    "ValidatedTarget",
    "Validation",
    "Warning",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from os import PathLike
    from typing import Any, TypeAlias, TypedDict

    from ._errors import MultiUploadError

    AccountLike: TypeAlias = "str | Account"
    BoardLike: TypeAlias = "str | Board"
    SectionLike: TypeAlias = "str | Section"
    MediaLike: TypeAlias = "str | Media"
    UploadLike: TypeAlias = "str | Upload"
    PathLike_: TypeAlias = "str | PathLike[str]"

    class UploadFields(TypedDict, total=False):
        """What can be asked of an upload, besides its accounts. See ``uploads.create``."""

        image_url: str | None
        image_urls: Sequence[str] | None
        video_url: str | None
        media_id: MediaLike | None
        media_ids: Sequence[MediaLike] | None
        caption: str | None
        title: str | None
        description: str | None
        link: str | None
        alt_text: str | None
        board_id: BoardLike | None
        board_section_id: SectionLike | None
        cover_image_url: str | None
        cover_media_id: MediaLike | None
        cover_image_key_frame_time: int | None
        scheduled_at: datetime | str | None
        timezone: str | None
        schedule: str | None
        overrides: Mapping[str, Mapping[str, Any]] | None
        external_id: str | None
        draft: bool | None
        late: Mapping[str, str] | None
        pinterest: Mapping[str, Any] | None
        tiktok: Mapping[str, Any] | None
        instagram: Mapping[str, Any] | None

    class UploadRow(UploadFields, total=False):
        """One row of ``uploads.create_many``."""

        accounts: Sequence[AccountLike]
        idempotency_key: str | None

else:
    UploadFields = UploadRow = dict


class FieldError(Record):
    """One wrong field: ``pointer`` is a JSON Pointer into the arguments, or ``?name``."""

    pointer: str
    code: str
    detail: str


class PlatformFailure(Record):
    """What the network itself answered."""

    name: str
    http_status: int | None
    code: str | None
    message: str | None
    request_id: str | None


class TargetRef(Record):
    """The target that an error speaks of; ``attempt`` counts from 1."""

    id: str
    account: str
    attempt: int


class Account(Record):
    """A profile on a network, connected by OAuth."""

    id: str
    platform: str
    name: str | None
    status: str
    mode: str
    scopes: list[str]
    reconnect_before: datetime | None
    uploads_due_after: int
    connected_at: datetime


class ConnectSession(Record):
    """An OAuth connection under way: open ``authorize_url`` in a browser."""

    id: str
    authorize_url: str
    expires_at: datetime
    status: str
    account: Account | None
    error: MultiUploadError | None


class Board(Record):
    """A Pinterest board: own, group or secret. ``privacy`` is PUBLIC, PROTECTED or SECRET."""

    id: str
    name: str
    description: str | None
    privacy: str | None
    owner: str | None
    pin_count: int | None


class Section(Record):
    """A section of a board."""

    id: str
    name: str


class Target(Record):
    """One account's share of an upload."""

    id: str
    account: str
    platform: str
    status: str
    attempts: int
    next_attempt_at: datetime | None
    board_id: str | None
    remote_id: str | None
    remote_url: str | None
    published_at: datetime | None
    error: MultiUploadError | None


class UploadContent(Record):
    """What was asked for, as stored."""

    accounts: list[str]
    image_url: str | None
    image_urls: list[str] | None
    video_url: str | None
    media_id: str | None
    media_ids: list[str] | None
    caption: str | None
    title: str | None
    description: str | None
    link: str | None
    alt_text: str | None
    board_id: str | None
    board_section_id: str | None
    scheduled_at: str | None
    overrides: dict[str, dict[str, Any]] | None


class Upload(Record):
    """An upload and what became of it: one target for each account."""

    id: str
    status: str
    scheduled_at: datetime | None
    timezone: str | None
    external_id: str | None
    version: int
    created_at: datetime
    updated_at: datetime
    content: UploadContent
    targets: list[Target]


class Warning(Record):
    """Something allowed that is probably not meant."""

    pointer: str
    detail: str


class ValidatedTarget(Record):
    """What one account would get."""

    account: str
    board: Board | None


class Validation(Record):
    """Every check of an upload, nothing stored. ``valid`` is true when it would be accepted."""

    valid: bool
    scheduled_at: datetime | None
    errors: list[FieldError]
    warnings: list[Warning]
    targets: list[ValidatedTarget]


class BatchResult(Record):
    """What became of one row of a batch: an upload, or an error."""

    index: int
    upload: Upload | None
    error: MultiUploadError | None
    replayed: bool


class Event(Record):
    """One entry of an upload's timeline."""

    seq: int
    at: datetime
    kind: str
    target: str | None
    detail: str
    data: dict[str, Any]


class Media(Record):
    """An uploaded file. ``refusals`` says what a platform would not take, by platform name."""

    id: str
    status: str
    kind: str | None
    content_type: str | None
    bytes: int
    width: int | None
    height: int | None
    sha256: str | None
    created_at: datetime
    expires_at: datetime | None
    refusals: dict[str, list[FieldError]]


class ApiKey(Record):
    """An API key without its secret."""

    id: str
    name: str | None
    mode: str
    scopes: list[str]
    accounts: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class CreatedApiKey(Record):
    """A key at its birth: ``key`` is the secret and is never shown again."""

    id: str
    key: str
    mode: str
    scopes: list[str]
    accounts: list[str] | None

    def _shown(self) -> list[str]:
        return ["id", "mode", "scopes", "accounts"]


class Health(Record):
    """How the service is."""

    status: str
    version: str
