"""What a chunk costs, against raw aiohttp and against the peers. `python benchmarks/run.py` measures everything."""
