"""The client. ``_async_client.py`` is made from this file: the two cannot differ."""

from __future__ import annotations

from ._base import BaseClient, Door, file_of, given, id_of, items, rows_of, source_of
from ._models import (
    Account,
    AccountLimits,
    ApiKey,
    BatchResult,
    Board,
    ConnectSession,
    CreatedApiKey,
    Event,
    Health,
    Media,
    Section,
    Slot,
    Upload,
    Validation,
    Webhook,
    WebhookDelivery,
    WebhookSecret,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from builtins import list as List
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import Any, Literal, overload

    from typing_extensions import Self, Unpack

    from . import _native
    from ._base import CreateFields, File, OnAttempt, OpenBrowser, Progress
    from ._models import (
        AccountLike,
        BoardLike,
        MediaLike,
        SectionLike,
        SlotLike,
        UploadFields,
        UploadLike,
        UploadRow,
    )
else:

    def overload(signature):
        """``typing.overload`` without the cost of ``typing``."""
        return signature


class Client(BaseClient):
    """Talks to a service over HTTP, or runs the engine in this process: ``Client.local(path)``.

    Use it as a context manager, or call ``close``. A client may be shared by threads. It cannot be
    used in a process forked from the one that made it.
    """

    def _open(self, native: _native.Client, on_attempt: OnAttempt | None) -> None:
        self._handle = native
        self._door = door = Door(native, on_attempt)
        self.uploads = Uploads(door)
        self.boards = Boards(door)
        self.accounts = Accounts(door)
        self.slots = Slots(door)
        self.media = MediaFiles(door)
        self.api_keys = ApiKeys(door)
        self.webhooks = Webhooks(door)
        self.service = Service(door)

    def close(self) -> None:
        """Cancels what runs and stops a local engine; a pin that is being sent is waited for."""
        self._door.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class _Namespace:
    def __init__(self, door: Door) -> None:
        self._door = door


class Uploads(_Namespace):
    """Scheduling and publishing."""

    @overload
    def create(
        self,
        *,
        accounts: Sequence[AccountLike],
        dry_run: Literal[True],
        idempotency_key: str | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
        **fields: Unpack[CreateFields],
    ) -> Validation: ...

    @overload
    def create(
        self,
        *,
        accounts: Sequence[AccountLike],
        dry_run: Literal[False] | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
        **fields: Unpack[CreateFields],
    ) -> Upload: ...

    def create(
        self,
        *,
        accounts: Sequence[AccountLike],
        image: File | None = None,
        video: File | None = None,
        images: Sequence[File] | None = None,
        cover: File | None = None,
        image_url: str | None = None,
        image_urls: Sequence[str] | None = None,
        video_url: str | None = None,
        media_id: MediaLike | None = None,
        media_ids: Sequence[MediaLike] | None = None,
        caption: str | None = None,
        title: str | None = None,
        description: str | None = None,
        link: str | None = None,
        alt_text: str | None = None,
        board_id: BoardLike | None = None,
        board_section_id: SectionLike | None = None,
        cover_image_url: str | None = None,
        cover_media_id: MediaLike | None = None,
        cover_image_key_frame_time: int | None = None,
        scheduled_at: datetime | str | None = None,
        timezone: str | None = None,
        schedule: str | None = None,
        overrides: Mapping[str, Mapping[str, Any]] | None = None,
        external_id: str | None = None,
        draft: bool | None = None,
        dry_run: bool | None = None,
        late: Mapping[str, str] | None = None,
        pinterest: Mapping[str, Any] | None = None,
        tiktok: Mapping[str, Any] | None = None,
        instagram: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
    ) -> Upload | Validation:
        """Schedules one upload, or publishes it at once.

        accounts: 1 to 25, each an ``Account`` or its id.
        image, video, images (2 to 5 on Pinterest): files of this machine, uploaded first; paths,
            bytes or open files. Paths are read as they are sent, whatever their size.
        cover: a file for a video's cover.
        image_url, image_urls, video_url, media_id, media_ids: in their place, exactly one.
        caption: the text wherever ``title`` (100 characters on Pinterest) and ``description``
            (800) are absent.
        board_id: required on Pinterest; a ``Board`` or its id.
        cover_image_key_frame_time: the moment of a video's cover, in whole seconds.
        scheduled_at: absent means now. An aware datetime, or a local one with ``timezone``
            (IANA name).
        schedule: ``"next_slot"`` instead of a time: each account's earliest free slot.
        overrides: other values for one account or platform: ``{"pinterest": {"title": ...}}``.
        external_id: your own label.
        draft: stores without publishing.
        dry_run: checks only and answers with a ``Validation``, as ``validate`` does.
        late: ``{"send_within": "24h"}``; later than that the upload is ``missed``.
        idempotency_key: made for you unless given; calling twice with one key stores one upload.
        timeout: seconds for the call with all its attempts.
        max_attempts: how often it is sent at most.
        """
        args = {name: value for name, value in locals().items() if name not in _NOT_SENT}
        args.update(image=file_of(image), video=file_of(video), cover=file_of(cover))
        args["images"] = images and [file_of(each) for each in images]
        make: Callable[[Any], Upload | Validation] = Validation if dry_run else Upload
        return self._door.call(
            "uploads.create", given(**args), make, timeout, max_attempts, idempotency_key
        )

    def create_many(
        self,
        uploads: Iterable[UploadRow | Mapping[str, Any]],
        *,
        batch_size: int = 100,
        progress: Progress | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
    ) -> List[BatchResult]:
        """Schedules many uploads, with one result for each row, in order.

        uploads: rows with the fields of ``create``, from a list or any iterable. Each may have its
            own ``idempotency_key``.
        batch_size: rows in one request, 1 to 1000. With 1 each row is a request of its own, a few
            at once.
        progress: called with (done, total) rows.
        idempotency_key: the keys of the rows become ``<key>-<row number>``, so that the whole call
            may be repeated, by another process too, and stores nothing twice.

        A row that is refused fails alone: look at ``error`` of its result.
        """
        return self._door.call(
            "uploads.create_many",
            {"uploads": rows_of(uploads), "batch_size": batch_size},
            items("results", BatchResult),
            timeout,
            max_attempts,
            idempotency_key,
            progress,
        )

    def validate(
        self,
        *,
        accounts: Sequence[AccountLike],
        timeout: float | None = None,
        max_attempts: int | None = None,
        **fields: Unpack[UploadFields],
    ) -> Validation:
        """Runs every check of ``create`` and stores nothing."""
        args = given(accounts=accounts, **fields)
        return self._door.call("uploads.validate", args, Validation, timeout, max_attempts)

    def get(
        self, id: UploadLike, *, timeout: float | None = None, max_attempts: int | None = None
    ) -> Upload:
        """One upload, as it is now."""
        return self._door.call("uploads.get", {"id": id}, Upload, timeout, max_attempts)

    def list(
        self,
        *,
        status: str | None = None,
        account: AccountLike | None = None,
        platform: str | None = None,
        external_id: str | None = None,
        from_: datetime | str | None = None,
        to: datetime | str | None = None,
        q: str | None = None,
        limit: int | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
    ) -> Iterator[Upload]:
        """All uploads, newest first, over all pages.

        from_, to: only those due in between.
        q: words of their texts.
        limit: size of a page, 1 to 1000.
        """
        args = {name: value for name, value in locals().items() if name not in _NOT_SENT}
        args["from"] = args.pop("from_")
        return self._door.stream("uploads.list", given(**args), Upload, timeout, max_attempts)

    def update(
        self,
        id: UploadLike,
        *,
        version: int | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
        **fields: Unpack[UploadFields],
    ) -> Upload:
        """Changes an upload before it is published. ``None`` clears a field.

        version: the version that you have read; ``ConflictError`` if there is a newer one.
        """
        args = {**given(id=id, version=version), **fields}
        return self._door.call("uploads.update", args, Upload, timeout, max_attempts)

    def cancel(
        self,
        id: UploadLike,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
    ) -> Upload:
        """Cancels what was not sent yet."""
        return self._door.call(
            "uploads.cancel", {"id": id}, Upload, timeout, max_attempts, idempotency_key
        )

    def retry(
        self,
        id: UploadLike,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
    ) -> Upload:
        """Publishes the failed targets again."""
        return self._door.call(
            "uploads.retry", {"id": id}, Upload, timeout, max_attempts, idempotency_key
        )

    def resolve(
        self,
        id: UploadLike,
        *,
        resolution: str,
        target: str | None = None,
        remote_id: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
    ) -> Upload:
        """Answers a target that needs review.

        resolution: ``published`` with the ``remote_id``, ``resend``, or ``abandon``.
        target: needed where several targets of the upload need review.
        """
        args = given(id=id, resolution=resolution, target=target, remote_id=remote_id)
        return self._door.call(
            "uploads.resolve", args, Upload, timeout, max_attempts, idempotency_key
        )

    def events(
        self, id: UploadLike, *, timeout: float | None = None, max_attempts: int | None = None
    ) -> List[Event]:
        """The timeline of an upload: every attempt, answer, wait and decision."""
        make = items("items", Event)
        return self._door.call("uploads.events", {"id": id}, make, timeout, max_attempts)

    def wait(
        self, id: UploadLike, *, timeout: float | None = None, max_attempts: int | None = None
    ) -> Upload:
        """Waits until an upload has ended, or only targets are left that need review.

        timeout: seconds; absent waits as long as it takes.
        """
        return self._door.call("uploads.wait", {"id": id}, Upload, timeout, max_attempts)

    def wait_many(
        self,
        ids: Iterable[UploadLike],
        *,
        progress: Progress | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
    ) -> List[Upload]:
        """Waits for many uploads at once; the results come in the order of ``ids``.

        progress: called with (done, total) uploads.
        """
        args = {"ids": [id_of(upload) for upload in ids]}
        make = items("uploads", Upload)
        return self._door.call(
            "uploads.wait_many", args, make, timeout, max_attempts, None, progress
        )

    def watch(
        self,
        ids: Iterable[UploadLike] | None = None,
        *,
        timeout: float | None = None,
        max_attempts: int | None = None,
    ) -> Iterator[Upload]:
        """Each upload as it is now, then again whenever it changes, until all have ended.

        ids: absent watches all uploads, for ever.
        """
        args = {} if ids is None else {"ids": [id_of(upload) for upload in ids]}
        return self._door.stream("uploads.watch", args, Upload, timeout, max_attempts)


_NOT_SENT = {"self", "idempotency_key", "timeout", "max_attempts"}


class Boards(_Namespace):
    """Pinterest boards and their sections."""

    def list(
        self,
        account: AccountLike,
        *,
        privacy: str | None = None,
        q: str | None = None,
        refresh: bool | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
    ) -> Iterator[Board]:
        """All boards of an account: own, group and secret, over all pages.

        refresh: True asks Pinterest again instead of answering from the last five minutes.
        """
        args = given(account=account, privacy=privacy, q=q, refresh=refresh)
        return self._door.stream("boards.list", args, Board, timeout, max_attempts)

    def create(
        self,
        account: AccountLike,
        *,
        name: str,
        description: str | None = None,
        privacy: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
    ) -> Board:
        """Makes a board. ``privacy`` is PUBLIC (default), PROTECTED or SECRET."""
        args = given(account=account, name=name, description=description, privacy=privacy)
        return self._door.call("boards.create", args, Board, timeout, max_attempts, idempotency_key)

    def sections(
        self,
        account: AccountLike,
        board_id: BoardLike,
        *,
        timeout: float | None = None,
        max_attempts: int | None = None,
    ) -> Iterator[Section]:
        """The sections of a board, over all pages."""
        args = given(account=account, board_id=board_id)
        return self._door.stream("boards.sections", args, Section, timeout, max_attempts)

    def create_section(
        self,
        account: AccountLike,
        board_id: BoardLike,
        *,
        name: str,
        idempotency_key: str | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
    ) -> Section:
        """Makes a section; its name has 1 to 180 characters."""
        args = given(account=account, board_id=board_id, name=name)
        return self._door.call(
            "boards.create_section", args, Section, timeout, max_attempts, idempotency_key
        )


class Accounts(_Namespace):
    """Connected profiles."""

    def list(
        self, *, timeout: float | None = None, max_attempts: int | None = None
    ) -> Iterator[Account]:
        """All connected accounts."""
        return self._door.stream("accounts.list", {}, Account, timeout, max_attempts)

    def get(
        self, id: AccountLike, *, timeout: float | None = None, max_attempts: int | None = None
    ) -> Account:
        """One account."""
        return self._door.call("accounts.get", {"id": id}, Account, timeout, max_attempts)

    def connect(
        self,
        platform: str,
        *,
        open_browser: OpenBrowser = True,
        return_url: str | None = None,
        timeout: float = 300.0,
    ) -> Account:
        """Connects an account by OAuth and waits for the consent.

        open_browser: True opens the consent page, False prints its address, a function is called
            with it.
        return_url: where the browser goes afterwards; absent shows a page that says it worked.
        timeout: seconds until ``ServiceTimeoutError``.
        """
        session = self.start_connection(platform, return_url=return_url)
        self._door.show(session.authorize_url, open_browser)
        return self.wait_connected(session.id, timeout=timeout)

    def start_connection(
        self,
        platform: str,
        *,
        return_url: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
    ) -> ConnectSession:
        """The first half of ``connect``: gives the address of the consent page."""
        args = given(platform=platform, return_url=return_url)
        return self._door.call(
            "accounts.start_connection",
            args,
            ConnectSession,
            timeout,
            max_attempts,
            idempotency_key,
        )

    def connection(
        self, id: str, *, timeout: float | None = None, max_attempts: int | None = None
    ) -> ConnectSession:
        """What became of a connection."""
        args = {"id": id}
        return self._door.call("accounts.connection", args, ConnectSession, timeout, max_attempts)

    def wait_connected(
        self, id: str, *, timeout: float | None = None, max_attempts: int | None = None
    ) -> Account:
        """Waits until a connection is confirmed; raises its error if it failed."""
        return self._door.call(
            "accounts.wait_connected", {"id": id}, Account, timeout, max_attempts
        )

    def limits(
        self, id: AccountLike, *, timeout: float | None = None, max_attempts: int | None = None
    ) -> AccountLimits:
        """What an account may still do, and how far its slots are filled."""
        return self._door.call("accounts.limits", {"id": id}, AccountLimits, timeout, max_attempts)

    def disconnect(
        self, id: AccountLike, *, timeout: float | None = None, max_attempts: int | None = None
    ) -> None:
        """Forgets an account and its tokens."""
        self._door.call("accounts.disconnect", {"id": id}, dict, timeout, max_attempts)


class Slots(_Namespace):
    """Weekly posting times, which ``schedule="next_slot"`` fills."""

    def list(
        self,
        *,
        account: AccountLike | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
    ) -> Iterator[Slot]:
        """The slots of an account, or of all, with how far each is filled."""
        args = given(account=account)
        return self._door.stream("slots.list", args, Slot, timeout, max_attempts)

    def create(
        self,
        account: AccountLike,
        *,
        time: str,
        timezone: str,
        weekdays: Sequence[str] | None = None,
        enabled: bool | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
    ) -> Slot:
        """Makes a slot. On each of its days it takes one upload.

        time: local time of day, ``"09:30"``.
        timezone: IANA name, ``"Europe/Paris"``.
        weekdays: ``"mon"`` to ``"sun"``; absent means every day.
        """
        args = given(
            account=account, time=time, timezone=timezone, weekdays=weekdays, enabled=enabled
        )
        return self._door.call("slots.create", args, Slot, timeout, max_attempts, idempotency_key)

    def update(
        self,
        id: SlotLike,
        *,
        time: str | None = None,
        timezone: str | None = None,
        weekdays: Sequence[str] | None = None,
        enabled: bool | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
    ) -> Slot:
        """Changes a slot. What waits in it keeps its time."""
        args = given(id=id, time=time, timezone=timezone, weekdays=weekdays, enabled=enabled)
        return self._door.call("slots.update", args, Slot, timeout, max_attempts)

    def delete(
        self, id: SlotLike, *, timeout: float | None = None, max_attempts: int | None = None
    ) -> None:
        """Removes a slot. What waits in it keeps its time."""
        self._door.call("slots.delete", {"id": id}, dict, timeout, max_attempts)


class MediaFiles(_Namespace):
    """Files."""

    def upload(
        self,
        source: File,
        *,
        progress: Progress | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
    ) -> Media:
        """Stores an image (JPEG, PNG, WebP, at most 20 MB) or a video (MP4, MOV, at most 2 GB).

        source: a path, the bytes themselves, a file opened for reading bytes, or an iterable of
        bytes. Memory stays the same whatever the size: a few megabytes.
        progress: called with (done, total) bytes.
        idempotency_key: another call with the same key goes on where this one was cut off, in
        another process too; for a day.
        timeout: total; without it the call fails only when nothing moves.
        """
        return self._door.call(
            "media.upload",
            source_of(source),
            Media,
            timeout,
            max_attempts,
            idempotency_key,
            progress,
        )

    def get(
        self, id: MediaLike, *, timeout: float | None = None, max_attempts: int | None = None
    ) -> Media:
        """One file."""
        return self._door.call("media.get", {"id": id}, Media, timeout, max_attempts)


class ApiKeys(_Namespace):
    """Keys for the HTTP interface; they need an ``admin`` key themselves."""

    def create(
        self,
        *,
        name: str | None = None,
        scopes: Sequence[str] | None = None,
        accounts: Sequence[AccountLike] | None = None,
        expires_at: datetime | str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
    ) -> CreatedApiKey:
        """Makes a key. Its secret is in the answer and is never shown again.

        scopes: absent means everything but ``admin``.
        accounts: absent means all.
        """
        args = given(name=name, scopes=scopes, accounts=accounts, expires_at=expires_at)
        return self._door.call(
            "api_keys.create", args, CreatedApiKey, timeout, max_attempts, idempotency_key
        )

    def list(
        self, *, timeout: float | None = None, max_attempts: int | None = None
    ) -> Iterator[ApiKey]:
        """All keys, without their secrets."""
        return self._door.stream("api_keys.list", {}, ApiKey, timeout, max_attempts)

    def revoke(
        self, id: str | ApiKey, *, timeout: float | None = None, max_attempts: int | None = None
    ) -> None:
        """Ends a key at once."""
        self._door.call("api_keys.revoke", {"id": id}, dict, timeout, max_attempts)


class Webhooks(_Namespace):
    """Addresses that are told what happens. ``verify_webhook`` checks what arrives there."""

    def create(
        self,
        url: str,
        *,
        events: Sequence[str] | None = None,
        description: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
    ) -> WebhookSecret:
        """Makes an endpoint. Its secret is in the answer and is never shown again.

        events: absent means all.
        """
        args = given(url=url, events=events, description=description)
        return self._door.call(
            "webhooks.create", args, WebhookSecret, timeout, max_attempts, idempotency_key
        )

    def list(
        self, *, timeout: float | None = None, max_attempts: int | None = None
    ) -> Iterator[Webhook]:
        """All endpoints, without their secrets."""
        return self._door.stream("webhooks.list", {}, Webhook, timeout, max_attempts)

    def get(
        self, id: str | Webhook, *, timeout: float | None = None, max_attempts: int | None = None
    ) -> Webhook:
        """One endpoint."""
        return self._door.call("webhooks.get", {"id": id}, Webhook, timeout, max_attempts)

    def update(
        self,
        id: str | Webhook,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        description: str | None = None,
        enabled: bool | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
    ) -> Webhook:
        """Changes an endpoint; what is absent stays. An empty list of events means all."""
        args = given(id=id, url=url, events=events, description=description, enabled=enabled)
        return self._door.call("webhooks.update", args, Webhook, timeout, max_attempts)

    def delete(
        self, id: str | Webhook, *, timeout: float | None = None, max_attempts: int | None = None
    ) -> None:
        """Deletes an endpoint with its deliveries."""
        self._door.call("webhooks.delete", {"id": id}, dict, timeout, max_attempts)

    def test(
        self,
        id: str | Webhook,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
    ) -> WebhookDelivery:
        """Sends ``webhook.test``; ``deliveries`` shows what came of it."""
        return self._door.call(
            "webhooks.test", {"id": id}, WebhookDelivery, timeout, max_attempts, idempotency_key
        )

    def rotate(
        self,
        id: str | Webhook,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
    ) -> WebhookSecret:
        """Makes a new secret; the one before signs too for 24 hours."""
        return self._door.call(
            "webhooks.rotate", {"id": id}, WebhookSecret, timeout, max_attempts, idempotency_key
        )

    def deliveries(
        self, id: str | Webhook, *, timeout: float | None = None, max_attempts: int | None = None
    ) -> Iterator[WebhookDelivery]:
        """What was sent to an endpoint in the last 30 days, newest first."""
        return self._door.stream(
            "webhooks.deliveries", {"id": id}, WebhookDelivery, timeout, max_attempts
        )

    def redeliver(
        self,
        id: str | Webhook,
        delivery_id: str | WebhookDelivery,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
    ) -> WebhookDelivery:
        """Sends an event again, with the same id."""
        args = {"id": id, "delivery_id": delivery_id}
        return self._door.call(
            "webhooks.redeliver", args, WebhookDelivery, timeout, max_attempts, idempotency_key
        )


class Service(_Namespace):
    """The service itself."""

    def health(self, *, timeout: float | None = None, max_attempts: int | None = None) -> Health:
        """Its state and version."""
        return self._door.call("service.health", {}, Health, timeout, max_attempts)
