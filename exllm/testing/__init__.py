"""For tests: of applications that use exllm, and of providers that are written for it. Needs no pytest to import.

`MockProvider` takes the place of any provider, `Wait` pauses its answers; `ProviderConformance` is a test class that
every provider passes.
"""

from exllm.providers.mock import Answer, Handler, MockProvider, Script
from exllm.providers.mock_script import Item, Wait
from exllm.testing.conformance import ProviderConformance

__all__ = ["Answer", "Handler", "Item", "MockProvider", "ProviderConformance", "Script", "Wait"]
