"""Results of runs that never were."""

from results import Json


def made_up(system: str, cpu: float, repetition: int = 0, config: str = "passthrough") -> Json:
    figures: Json = {
        "calls": 20,
        "refused": 0,
        "uplink_p50": 0.5,
        "uplink_p99": 2.0 if system == "callboard" else 1.0,
        "first_audio_p50": 1.0,
        "first_audio_p99": None,
        "complete": 1.0,
        "silence": 0.0,
        "clear_p50": None,
        "clear_p99": 1.0,
        "stale_messages": 0,
        "stale_barge_ins": 0,
        "barge_ins": 7,
        "teardown_p99": 3.0,
    }
    return {
        "system": system,
        "config": config,
        "calls": 20,
        "repetition": repetition,
        "figures": figures,
        "faults": [],
        "healthy": True,
        "cpu_per_call_minute": cpu,
        "cores": 0.2,
        "load_cores": 0.1,
        "others": [0.0, 0.0],
        "rss_per_call": 120_000.0,
        "idle_rss": 58_000_000,
        "left": {"handles": 0, "threads": 0, "rss": 100, "tasks": 2},
    }
