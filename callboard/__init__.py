"""callboard: phone calls for realtime voice agents, as a Trio actor system."""
