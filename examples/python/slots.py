from multi_upload import Client

with Client() as client:
    account = next(client.accounts.list())
    board = next(client.boards.list(account))
    for time in ("09:30", "18:00"):
        client.slots.create(account, time=time, timezone="Europe/Paris", weekdays=["mon", "thu"])

    for number in range(3):
        upload = client.uploads.create(
            accounts=[account],
            board_id=board,
            image_url="https://yourcdn.com/summer.jpg",
            title=f"Queued {number}",
            schedule="next_slot",
        )
        print(upload.content.title, "takes the slot at", upload.scheduled_at)

    print(client.accounts.limits(account).slots.next_free_at, "is free")
