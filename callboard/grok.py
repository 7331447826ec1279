"""The Grok Voice Agent API in VoxEngine vocabulary."""
