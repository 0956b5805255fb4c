from multi_upload import Client, MultiUploadError, RateLimitError, ValidationError

client = Client()
try:
    client.uploads.create(accounts=["pinterest:1"], image_url="https://yourcdn.com/summer.jpg")
except ValidationError as error:
    for field in error.errors:
        print(field.pointer, field.detail)
except RateLimitError as error:
    print("again in", error.retry_after, "seconds")
except MultiUploadError as error:
    print(error.code, error.outcome, error.remedy, error.request_id)
