"""What `refsnn verify` does: compare, search for the smallest counterexample, replay one."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

import hwmodel
import refsnn
from refsnn.arithmetic import arithmetic_of
from refsnn.case_table import case_table
from refsnn.converting import Conversion
from refsnn.counterexample import Case, Found, cause, history, load_case, save_case, search
from refsnn.errors import SpecError
from refsnn.formats import Data
from refsnn.network import Network
from refsnn.repair import RepairRow, compare_repairs
from refsnn.repair_table import repair_table
from refsnn.study import refuse_overlap
from refsnn.tables import Table
from refsnn.verdict_table import verdict_table
from refsnn.verification import Domain, Verdict

Bar = Callable[..., AbstractContextManager[Callable[[int, int], None]]]  # a title, and what is counted


@dataclass(frozen=True, kw_only=True)
class Options(Conversion):
    """The command's options, as they are given."""

    snn: str | None = None
    steps: int = 8
    schedule: str = "lockstep"
    arithmetic: str = "exact"
    limit: int | None = None
    domain: str | None = None
    search: bool = False
    examples: int = 200
    save: str | None = None
    repair: bool = False
    chip: str | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """A verdict and what goes with it, in every form that is asked for."""

    verdict: Verdict
    case: Case | None = None
    tables: tuple[Table | str, ...]
    data: dict[str, Any]

    @property
    def equal(self) -> bool:
        return bool(self.verdict) and self.case is None

    def html(self) -> str:
        from refsnn.verify_report import html

        tables = (table for table in self.tables[1:] if isinstance(table, Table))
        repairs = tuple(table for table in tables if table.title.startswith("repairs"))
        return html(self.verdict, self.case, repairs)

    def junit(self) -> str:
        from refsnn.verify_report import junit

        return junit(self.verdict)


def run_verify(ann: Network, data: str, options: Options, bar: Bar) -> Result:
    """Compare a source network with its spiking one on DATA; search if asked to."""
    spiking = refsnn.load(options.snn) if options.snn else options.of(ann)
    samples, domain = refsnn.load_data(data, options.limit), domain_of(options.domain)
    if options.calibration is not None:
        refuse_overlap(samples, refsnn.load_data(options.calibration))
    how: Any = {"steps": options.steps, "schedule": options.schedule, "domain": domain}
    with bar("verify") as progress:
        verdict = refsnn.verify(
            ann, spiking, samples.x, samples.y, arithmetic=arithmetic_of(options.arithmetic), progress=progress, **how
        )
    tables: tuple[Table | str, ...] = (verdict_table(verdict),)
    plain = {"equal": bool(verdict), **asdict(verdict)}
    if options.repair:
        rows = _repairs(ann, samples, options, bar)
        tables, plain = (*tables, repair_table(rows)), {**plain, "repairs": [asdict(row) for row in rows]}
    if not options.search:
        return Result(verdict=verdict, tables=tables, data=plain)
    with bar("search", "inputs and cases") as progress:
        found = search(
            ann,
            spiking,
            samples.x,
            examples=options.examples,
            watch=lambda tried: progress(tried, options.examples),
            **how,
        )
    if found is None:
        note = f"search: {options.examples} inputs near the data and in the domain did not refute it, which is no proof"
        return Result(verdict=verdict, tables=(*tables, note), data={**plain, "case": None})
    told, described = _saved(found, options.save or f"{spiking.name}.case.yaml")
    table = (case_table(found.case), told)
    return Result(verdict=verdict, case=found.case, tables=(*tables, *table), data={**plain, "case": described})


def _repairs(ann: Network, samples: Data, options: Options, bar: Bar) -> tuple[RepairRow, ...]:
    chip = None if options.chip is None else hwmodel.load_chip(options.chip)
    with bar("repair", "variants") as progress:
        return compare_repairs(
            ann, samples.x, samples.y, steps=options.steps, calibration=options.samples(), chip=chip,
            arithmetic=arithmetic_of(options.arithmetic), progress=progress,
        )  # fmt: skip


def _saved(found: Found, path: str) -> tuple[str, dict[str, Any]]:
    """Where the case went, in words; and the case as plain data."""
    tried = f"{found.inputs_tried} inputs and {found.cases_tried} smaller cases tried"
    described = case_data(found.case)
    if found.smallest is None:
        return f"{tried}; not cut out of the network: {found.why_whole}", {**described, "written": None}
    save_case(found.smallest, path, described["cause"])
    return f"{tried}; written: {path}\nreplay: refsnn verify --case {path}", {**described, "written": path}


def replay_case(path: str) -> Result:
    """The verdict on a saved case."""
    case = load_case(path)
    verdict = case.verdict()
    disagrees = case.disagreement() is not None
    return Result(
        verdict=verdict, case=case if disagrees else None, tables=(case_table(case),),
        data={"equal": bool(verdict), **asdict(verdict), "case": case_data(case)},
    )  # fmt: skip


def case_data(case: Case) -> dict[str, Any]:
    """A case as plain data."""
    found = case.disagreement()
    told = None if found is None else history(case, found)
    return {
        "origin": case.origin,
        "steps": case.steps,
        "schedule": case.schedule,
        "x": case.x.tolist(),
        "node": None if found is None else found.node,
        "index": None if found is None else list(found.index),
        "cause": "" if found is None or told is None else cause(case, found, told, case.verdict()),
        "current": [] if told is None else told.current.tolist(),
        "v": [] if told is None else told.v.tolist(),
        "spikes": [] if told is None else told.spikes.tolist(),
    }


def domain_of(text: str | None) -> Domain | None:
    """The domain of 'LOW:HIGH' or 'LOW:HIGH:BITS'."""
    if text is None:
        return None
    try:
        low, high, *bits = text.split(":")
        (count,) = bits or (None,)
        return Domain(low=float(low), high=float(high), bits=None if count is None else int(count))
    except ValueError as error:
        raise SpecError(f"--domain: expected LOW:HIGH or LOW:HIGH:BITS, such as 0:1, got {text!r}") from error
