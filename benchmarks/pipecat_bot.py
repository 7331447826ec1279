# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUntypedFunctionDecorator=false, reportUnknownParameterType=false
# pyright: reportMissingTypeStubs=false
"""Pipecat as a system under test, built as its documentation builds a phone bot on Twilio and xAI's Grok.

A FastAPI application, a pipeline for each call from the transport through the speech-to-speech service back to the
transport, everything else as it comes. What differs: the provider's address is ours, there is nobody to hang up on at
Twilio, and nothing is logged.

A pipeline of Pipecat carries PCM. So `passthrough` is PCM at 8 kHz, which is converted at the carrier's end but never
resampled, and `transcode` is PCM at 24 kHz. Runs in an environment of its own, see `systems.py`.
"""

import argparse
import asyncio
from pathlib import Path

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.services.xai.realtime.events import SessionProperties
from pipecat.services.xai.realtime.llm import GrokRealtimeLLMService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

from counts import answer_signal

RATES_HZ = {"passthrough": 8000, "transcode": 24000}


async def talk(socket: WebSocket, provider_url: str, rate_hz: int) -> None:
    """Be one call."""
    _, handshake = await parse_telephony_websocket(socket)
    transport = FastAPIWebsocketTransport(
        websocket=socket,
        params=FastAPIWebsocketParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            add_wav_header=False,
            serializer=TwilioFrameSerializer(
                stream_sid=handshake["stream_id"],
                call_sid=handshake["call_id"],
                params=TwilioFrameSerializer.InputParams(auto_hang_up=False),
            ),
        ),
    )
    service = GrokRealtimeLLMService(
        api_key="none",
        base_url=provider_url,
        settings=GrokRealtimeLLMService.Settings(
            system_instruction="You are a helpful assistant on the phone.",
            session_properties=SessionProperties(voice="eve"),
        ),
    )
    heard, said = LLMContextAggregatorPair(LLMContext(), realtime_service_mode=True)
    worker = PipelineWorker(
        Pipeline([transport.input(), heard, service, transport.output(), said]),
        params=PipelineParams(
            audio_in_sample_rate=rate_hz,
            audio_out_sample_rate=rate_hz,
            enable_metrics=True,
            enable_usage_metrics=True,
        ),
    )

    async def end(transport: FastAPIWebsocketTransport, client: WebSocket) -> None:
        del transport, client
        await worker.cancel()

    transport.event_handler("on_client_disconnected")(end)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--provider-url", required=True)
    parser.add_argument("--config", choices=tuple(RATES_HZ), default="passthrough")
    parser.add_argument("--stats-file", type=Path)
    options = parser.parse_args()
    logger.remove()
    app = FastAPI()
    loops: list[asyncio.AbstractEventLoop] = []

    @app.websocket("/media")
    async def media(socket: WebSocket) -> None:
        loops[:] = [asyncio.get_running_loop()]
        await socket.accept()
        await talk(socket, options.provider_url, RATES_HZ[options.config])

    answer_signal(options.stats_file, lambda: len(asyncio.all_tasks(loops[0])) if loops else 0)
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="critical")


if __name__ == "__main__":
    main()
