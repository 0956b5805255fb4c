from multi_upload import Client

# Address and key come from MULTI_UPLOAD_URL and MULTI_UPLOAD_API_KEY.
with Client() as client:
    account = next(client.accounts.list())
    board = next(client.boards.list(account))

    media = client.media.upload("examples/images/lemon-cake.jpg")
    upload = client.uploads.create(
        accounts=[account],
        board_id=board,
        media_id=media,
        title="Lemon cake",
        link="https://yourshop.com/lemon-cake",
    )

    published = client.uploads.wait(upload)
    print(published.status, published.targets[0].remote_url)
