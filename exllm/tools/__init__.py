"""Tools that models call, and the loop that calls them: `Client.run`, `Client.step` and their streams."""

from exllm.tools.arguments import ArgumentsError, parse_arguments
from exllm.tools.control import AskUser, Deny, Halt
from exllm.tools.encoding import Encoder, encode_result
from exllm.tools.executor import Executor, call_handler
from exllm.tools.run_stream import RunStream

__all__ = [
    "ArgumentsError",
    "AskUser",
    "Deny",
    "Encoder",
    "Executor",
    "Halt",
    "RunStream",
    "call_handler",
    "encode_result",
    "parse_arguments",
]
