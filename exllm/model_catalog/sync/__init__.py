"""Building the catalog's files from public price lists: ``python -m exllm.model_catalog.sync``.

The stages are pure but for the first and the last: read the sources (`fetch`), turn each into what it says of every
model (`from_litellm`, `from_genai`, `from_models_dev`), merge by the rule of precedence (`merge`), lay the hand-made
overrides on top, write the files (`write`) and the table of disagreements (`report`).
"""
