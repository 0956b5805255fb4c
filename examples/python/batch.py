from datetime import datetime, timedelta, timezone

from multi_upload import Client

with Client() as client:
    account = next(client.accounts.list())
    boards = {board.name: board for board in client.boards.list(account)}
    board = next(iter(boards.values()))
    media = client.media.upload("examples/images/lemon-cake.jpg")

    start = datetime.now(timezone.utc) + timedelta(hours=1)
    rows = [
        {
            "accounts": [account],
            "board_id": board,
            "media_id": media,
            "title": f"Recipe {number}",
            "link": f"https://yourshop.com/recipes/{number}",
            "scheduled_at": start + timedelta(hours=2 * number),
            "idempotency_key": f"recipes-2026-{number}",
        }
        for number in range(50)
    ]

    for row, result in zip(rows, client.uploads.create_many(rows), strict=True):
        if result.upload:
            print(row["title"], "is due", result.upload.scheduled_at)
        else:
            print(row["title"], "was refused:", result.error)
