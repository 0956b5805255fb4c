curl -sS "$MULTI_UPLOAD_URL/v1/accounts/$ACCOUNT/boards" \
  -H "Authorization: Bearer $MULTI_UPLOAD_API_KEY"
