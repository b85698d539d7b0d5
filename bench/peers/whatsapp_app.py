"""pywa in FastAPI, on uvicorn with uvloop and httptools: a handler for texts as on pywa's first page, without the reply.

python whatsapp_app.py PORT SECRET PHONE_NUMBER_ID
"""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI
from pywa_async import WhatsApp, filters, types
from pywa_async.handlers import MessageHandler


def application(secret: str, phone_id: str) -> FastAPI:
    """Verifies signatures, and gives texts to a function."""
    app = FastAPI()

    def ready() -> None:
        return None

    app.add_api_route("/readyz", ready)
    whatsapp = WhatsApp(
        phone_id=phone_id,
        token="not-used",
        server=app,
        webhook_endpoint="/webhook",
        verify_token="not-used",
        app_secret=secret,
        validate_updates=True,
    )
    read = 0

    async def said(_: WhatsApp, message: types.Message) -> None:
        nonlocal read
        read += len(message.text or "")

    whatsapp.add_handlers(MessageHandler(said, filters.text))
    return app


if __name__ == "__main__":
    uvicorn.run(
        application(sys.argv[2], sys.argv[3]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="error",
    )
