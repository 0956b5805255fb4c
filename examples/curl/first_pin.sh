curl -sS -X POST "$MULTI_UPLOAD_URL/v1/upload" \
  -H "Authorization: Bearer $MULTI_UPLOAD_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "accounts": ["'"$ACCOUNT"'"],
    "image_url": "https://yourcdn.com/summer.jpg",
    "caption": "Our new summer collection is here 📌",
    "link": "https://yourshop.com/summer",
    "board_id": "'"$BOARD"'",
    "scheduled_at": "2030-03-10T20:00:00Z"
  }'
