"""Schedule and publish pins: in this process, or through a multi-upload service.

    from multi_upload import Client

    with Client.local("./multi-upload-data") as client:
        account = client.accounts.connect("pinterest")
        board = next(client.boards.list(account))
        media = client.media.upload("cake.jpg")
        upload = client.uploads.create(
            accounts=[account], board_id=board, media_id=media, title="Lemon cake"
        )
        print(client.uploads.wait(upload).targets[0].remote_url)

``Client(url, key)`` talks to a service over HTTP, ``Client.local(path)`` runs the engine inside
this process, ``AsyncClient`` is the same for asyncio. Every error is a ``MultiUploadError``.
"""

# Importing the package costs next to nothing: a name is loaded when it is first used.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import _errors, _models
    from ._async_client import AsyncClient as AsyncClient
    from ._client import Client as Client
    from ._errors import *
    from ._models import *
    from ._records import Record as Record
    from ._webhook import verify_webhook as verify_webhook

    __all__ = ["AsyncClient", "Client", "Record", "verify_webhook"]
    __all__ += _errors.__all__
    __all__ += _models.__all__

__version__ = "0.1.0"

_MODULES = {
    "_client": "Client",
    "_async_client": "AsyncClient",
    "_records": "Record",
    "_webhook": "verify_webhook",
    "_errors": (
        "CODES AuthError CancelledError ConfigError ConflictError IdempotencyError InternalError"
        " MediaError MultiUploadError NotFoundError OutcomeUnknownError PermissionDeniedError"
        " PlatformError QuotaError RateLimitError ServerError ServiceConnectionError"
        " ServiceTimeoutError ValidationError"
    ),
    "_models": (
        "Account AccountLimits ApiKey BatchResult Board ConnectSession CreatedApiKey Event"
        " FieldError Health LimitShare LimitUse Media PlatformFailure Section Slot SlotQueue Target"
        " TargetRef Upload UploadContent UploadFields UploadRow ValidatedTarget Validation Warning"
        " Webhook WebhookDelivery WebhookSecret"
    ),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}

if not TYPE_CHECKING:
    __all__ = list(_HOMES)

    # Hidden from type checkers, which would take every misspelt name for an object.
    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = __import__(f"{__name__}.{_HOMES[name]}", fromlist=[name])
        value = globals()[name] = getattr(module, name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
