"""Runs the client's coroutines without an event loop, so that one implementation serves `Retort` and `AsyncRetort`.

The coroutines of `BlockingTransport` never suspend. A coroutine that awaits nothing else reaches its end in one step.
"""

import functools
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, get_args, overload

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


class Method(Protocol, Generic[Parameters, Result_co]):
    """A method as type checkers see it: called on an object, it has the parameters without `self`."""

    def __get__(self, instance: object, owner: type) -> Callable[Parameters, Result_co]: ...


class Facade:
    """An object whose methods are those of an asynchronous one, made by `blocking`."""

    def __init__(self, asynchronous: Any) -> None:
        self._asynchronous = asynchronous


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    coroutine.close()
    raise RuntimeError(f"{coroutine!r} suspended without an event loop")


def iterate(generator: AsyncGenerator[Result, None]) -> Iterator[Result]:
    """The values of an asynchronous generator that never suspends; closed with the iterator."""
    try:
        while True:
            try:
                value = run(generator.__anext__())
            except StopAsyncIteration:
                return
            yield value
    finally:
        run(generator.aclose())


@overload
def blocking(
    method: Callable[Concatenate[Any, Parameters], Coroutine[Any, Any, Result]],
) -> Method[Parameters, Result]: ...
@overload
def blocking(
    method: Callable[Concatenate[Any, Parameters], AsyncIterator[Result]],
) -> Method[Parameters, Iterator[Result]]: ...
def blocking(method: Callable[..., Any]) -> Any:
    """The method of a `Facade` that calls `method` of its asynchronous object and waits for the result."""
    if not inspect.isasyncgenfunction(method):
        return derived(method, run, inspect.signature(method).return_annotation)
    items: Any = get_args(inspect.signature(method).return_annotation)
    return derived(method, iterate, Iterator[items])


def derived(method: Callable[..., Any], finish: Callable[[Any], Any], returns: Any) -> Callable[..., Any]:
    """A method of a `Facade` with the name, the parameters and the docstring of `method`.

    `finish` makes its result from the coroutine or generator of `method`; `returns` is the type of that result.
    """

    @functools.wraps(method)
    def call(self: Facade, *arguments: Any, **options: Any) -> Any:
        return finish(method(self._asynchronous, *arguments, **options))

    # Where `help` and `inspect` look.
    call.__signature__ = inspect.signature(method).replace(return_annotation=returns)  # type: ignore[attr-defined]
    call.__annotations__ = {**method.__annotations__, "return": returns}
    return call
