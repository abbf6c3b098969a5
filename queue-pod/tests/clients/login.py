"""Logs in with a password as bluesky-queueserver-api does, and works with sessions and API keys."""

import sys

from bluesky_queueserver_api import BPlan
from bluesky_queueserver_api.http import REManagerAPI

(url,) = sys.argv[1:]
RM = REManagerAPI(http_server_uri=url, http_auth_provider="/toy/token")

try:
    RM.login("bob", password="wrong")
except RM.HTTPClientError as ex:
    assert "401: Incorrect username or password" in str(ex), ex
else:
    raise AssertionError("a wrong password was taken")

tokens = RM.login("bob", password="bob_password")
assert tokens["token_type"] == "bearer", tokens
assert RM.status()["manager_state"] == "idle"
added = RM.item_add(BPlan("quick"))
assert added["item"]["user"] == 'bob "Bob"', added
assert RM.session_refresh()["access_token"]
me = RM.whoami()
assert me["identities"][0]["id"] == "bob", me
assert RM.api_scopes()["roles"] == ["admin", "expert"]
assert [one["uuid"] for one in RM.principal_info()] == [me["uuid"]]
# With a token the client makes an API key of a minute for the WebSocket.
RM.system_info_monitor.enable()
assert "status" in RM.system_info_monitor.next_msg(timeout=10)["msg"]
RM.system_info_monitor.disable()

key = RM.apikey_new(expires_in=900, scopes=["read:status", "user:apikeys"], note="of a test")
assert RM.apikey_info(api_key=key["secret"])["note"] == "of a test"
RM.logout()
RM.set_authorization_key(api_key=key["secret"])
assert RM.status(reload=True)["items_in_queue"] == 1
try:
    RM.queue_clear()
except RM.HTTPClientError as ex:
    assert "Not enough permissions. Requires scopes ['write:queue:edit']" in str(ex), ex
else:
    raise AssertionError("a key that may only read has cleared the queue")
RM.apikey_delete(first_eight=key["first_eight"])
try:
    RM.status(reload=True)
except RM.HTTPClientError as ex:
    assert "401: Invalid API key" in str(ex), ex
else:
    raise AssertionError("a deleted key was taken")
RM.close()
