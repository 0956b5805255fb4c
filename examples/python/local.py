from datetime import datetime, timedelta, timezone

from multi_upload import Client

with Client.local("my-pins", sandbox=True) as client:
    account = client.accounts.connect("pinterest")  # opens the browser
    board = next(client.boards.list(account))
    media = client.media.upload("examples/images/lemon-cake.jpg")
    upload = client.uploads.create(
        accounts=[account],
        board_id=board,
        media_id=media,
        title="Lemon cake",
        scheduled_at=datetime.now(timezone.utc) + timedelta(seconds=5),
    )
    print(client.uploads.wait(upload).targets[0].remote_url)
