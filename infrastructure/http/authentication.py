"""Routes that ask who calls before they look at anything else.

A route's class says who may call: `APIRouter(route_class=UserRoute)`. Dependencies would be too late, since FastAPI
judges parameters and body together with them. What happens inside a route ends as a problem here, in one place.

The token's verifier is the application's: `app.state.token_verifier = TokenVerifier(…)`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final, TypeVar, cast

import structlog
from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from domain.errors import RuleBroken
from infrastructure.auth.caller import Caller
from infrastructure.auth.errors import InvalidToken, KeysUnavailable
from infrastructure.auth.tokens import TokenVerifier
from infrastructure.http.input import check_body, check_query, read_consistency_token
from infrastructure.http.problems import Problem, from_broken_rule, from_validation, responses, unavailable
from infrastructure.postgres.outage import is_outage

log = structlog.get_logger(__name__)

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
R = TypeVar("R")
BEARER: Final = "bearer"
"""Its name among the security schemes of /openapi.json."""


class PublicRoute(APIRoute):
    """Anybody may call; no token is looked at."""

    strict_query = True
    problems: ClassVar[tuple[int, ...]] = (422, 503)
    """What the class itself can answer; a route adds its own."""
    described: ClassVar[Mapping[str, Any]] = {}
    """What /openapi.json says of each of its routes beside that."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:
        described = {**(given.pop("openapi_extra", None) or {}), **self.described}
        super().__init__(path, endpoint, openapi_extra=described, **given)
        by_body = (413, 415) if self.body_field is not None else ()
        for status, answer in responses(*self.problems, *by_body).items():
            self.responses.setdefault(status, answer)

    async def admit(self, request: Request) -> None:
        """Raises Problem where the caller may not call."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        needs = list(_all_of(self.dependant))
        names = frozenset(field.alias for one in needs for field in one.query_params)
        has_body = any(one.body_params for one in needs)

        async def answer(request: Request) -> Response:
            await self.admit(request)
            await self.check_key(request)
            request.state.written = read_consistency_token(request)
            if self.strict_query:
                check_query(request, names)
            if has_body:
                await check_body(request)
            return await handle(request)

        return told(answer)

    async def check_key(self, request: Request) -> None:
        """For the write side: judge `Idempotency-Key` here, after the token and before the body."""


class _TokenRoute(PublicRoute):
    problems: ClassVar[tuple[int, ...]] = (401, 422, 503)
    described: ClassVar[Mapping[str, Any]] = {"security": [{BEARER: []}]}

    async def admit(self, request: Request) -> None:
        caller = await _caller(request)
        request.state.caller = caller
        self.permit(caller)

    def permit(self, caller: Caller) -> None:
        """Raises Problem for who may not call."""


class UserRoute(_TokenRoute):
    """A person with a token."""

    problems: ClassVar[tuple[int, ...]] = (401, 403, 422, 503)

    def permit(self, caller: Caller) -> None:
        if caller.user_id is None:
            raise Problem("forbidden", "This is for persons; the token is a service's.")


class AnyCallerRoute(_TokenRoute):
    """A person or a service: the object decides whom it is shown to."""


class InternalRoute(_TokenRoute):
    """Scope `billing:internal`."""

    problems: ClassVar[tuple[int, ...]] = (401, 403, 422, 503)

    def permit(self, caller: Caller) -> None:
        if not caller.internal:
            raise Problem("forbidden", "This needs the scope billing:internal.")


class AdminRoute(_TokenRoute):
    """Scope `billing:admin`."""

    problems: ClassVar[tuple[int, ...]] = (401, 403, 422, 503)

    def permit(self, caller: Caller) -> None:
        if not caller.admin:
            raise Problem("forbidden", "This needs the scope billing:admin.")


def told(answer: Callable[[Request], Awaitable[R]]) -> Callable[[Request], Coroutine[Any, Any, R | Response]]:
    """Whatever goes wrong inside ends as a problem."""

    async def answer_or_tell(request: Request) -> R | Response:
        try:
            return await answer(request)
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                raise
            return problem.response()

    return answer_or_tell


def problem_of(error: Exception) -> Problem | None:
    """The answer that an exception stands for; None for a malfunction of ours."""
    match error:
        case Problem():
            return error
        case RuleBroken():
            return from_broken_rule(error)
        case RequestValidationError():
            return from_validation(error)
        case HTTPException(status_code=400):
            # FastAPI's word for a body that it can't parse.
            return Problem("validation_failed", "The body can't be read.")
        case _ if is_outage(error):
            log.warning("postgres_unavailable", error=type(error).__name__)
            return unavailable()
        case _:
            return None


def current_caller(request: Request) -> Caller:
    return cast("Caller", request.state.caller)


async def _given_caller(request: Request) -> Caller:
    """A coroutine, for FastAPI takes a plain function to a thread and back at each request."""
    return current_caller(request)


CurrentCaller = Annotated[Caller, Depends(_given_caller)]


def _all_of(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for inner in dependant.dependencies:
        yield from _all_of(inner)


async def _caller(request: Request) -> Caller:
    verifier: TokenVerifier = request.app.state.token_verifier
    given = request.headers.getlist("authorization")
    try:
        if len(given) > 1:  # whoever stands before us may have read another one of them
            raise InvalidToken("Send one Authorization header.")
        return await verifier.verify(given[0] if given else None)
    except InvalidToken as error:
        told_error = "" if "authorization" not in request.headers else ' error="invalid_token"'
        raise Problem("unauthorized", error.reason, headers={"WWW-Authenticate": f"Bearer{told_error}"}) from None
    except KeysUnavailable:
        raise unavailable("Nobody can check tokens now; try again soon.") from None
