"""One poll of one device: scalars first (they tell a restart), then the columns, then ports, figures and text.

Slow facts (names, aliases, speeds) are read at the slow interval, after a restart, and when a table has got other rows.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from netmon.clock import Clock
from netmon.collectors.snmp.ber import OidCache
from netmon.collectors.snmp.course import Courses, Recorder, Repeat
from netmon.collectors.snmp.engine import Columns, Manner, Repeated, Target
from netmon.collectors.snmp.facts import Facts, Rows, apply_filters, usable
from netmon.collectors.snmp.layout import Value
from netmon.collectors.snmp.modules import Oid
from netmon.collectors.snmp.pdu import VarBind
from netmon.collectors.snmp.plan import Plan, make_plan
from netmon.collectors.snmp.ports import build_ports
from netmon.collectors.snmp.profiles import Profile, Profiles
from netmon.collectors.snmp.routine import Routine, make_way
from netmon.collectors.snmp.shape import PackedText, PortsView, Shapes, TextView, pack
from netmon.config import SnmpConfig
from netmon.errors import CollectError
from netmon.model import Credential, Device, Figure, PollResult, Port
from netmon.rates import follow_uptime
from netmon.rawvalues import as_oid, as_text

SYS_OBJECT_ID: Oid = (1, 3, 6, 1, 2, 1, 1, 2, 0)
SYS_UPTIME: Oid = (1, 3, 6, 1, 2, 1, 1, 3, 0)
SYS_NAME: Oid = (1, 3, 6, 1, 2, 1, 1, 5, 0)
ENGINE_BOOTS: Oid = (1, 3, 6, 1, 6, 3, 10, 2, 1, 2, 0)
ENGINE_TIME: Oid = (1, 3, 6, 1, 6, 3, 10, 2, 1, 3, 0)
ALWAYS = (SYS_UPTIME, ENGINE_TIME, ENGINE_BOOTS)
IDENTITY = (SYS_OBJECT_ID, SYS_NAME)
GET_SIZE = 20  # objects per request: stays under 1,500 octets with long OIDs
SETTLING = 3  # polls by which nearly all devices have a routine
RETRY_SLOW_S = 60.0  # slow facts that failed are tried again after this


class Agent(Protocol):
    """What the poller needs of the engine."""

    def get(
        self, target: Target, oids: Sequence[Oid], *, manner: Manner = ..., recorder: Recorder | None = None
    ) -> Awaitable[list[VarBind]]: ...

    def columns(
        self,
        target: Target,
        columns: Sequence[Oid],
        *,
        budget_s: float | None = None,
        max_repetitions: int | None = None,
        manner: Manner = ...,
        recorder: Recorder | None = None,
    ) -> Awaitable[Columns]: ...

    def repeat(
        self,
        target: Target,
        repeat: Repeat,
        go: Callable[[tuple[Value, ...]], bool],
        *,
        budget_s: float | None = None,
        manner: Manner = ...,
    ) -> Awaitable[Repeated]: ...


@dataclass(slots=True)
class _Run:
    """One poll while it goes on."""

    target: Target
    facts: Facts
    started_at: float
    started_mono: float
    full: bool
    manner: Manner
    asked: set[Oid] = field(default_factory=set)
    columns: dict[Oid, Rows] = field(default_factory=dict)
    failed: dict[Oid, str] = field(default_factory=dict)
    requests: int = 0
    timeouts: int = 0
    varbinds: int = 0
    read_at: float = 0.0
    recorder: Recorder = field(default_factory=Recorder)


class Poller:
    """Polls devices through the engine. Never two polls of one device at once: the scheduler sees to that."""

    def __init__(self, engine: Agent, profiles: Profiles, config: SnmpConfig, clock: Clock) -> None:
        self._engine = engine
        self._profiles = profiles
        self._config = config
        self._clock = clock
        self._facts: dict[str, Facts] = {}
        self._plans: dict[tuple[str, ...], Plan] = {}
        self._courses, self._shapes = Courses(), Shapes()
        self._oids = OidCache()
        self.stats: Counter[str] = Counter()  # duplicate_series, bad_values, full, reboots, repeated, ...

    def forget(self, device: str) -> None:
        """A device left the inventory."""
        self._facts.pop(device, None)

    def keep_only(self, devices: Collection[str]) -> None:
        """After a reload: forget all other devices."""
        for device in [device for device in self._facts if device not in devices]:
            del self._facts[device]

    @property
    def profiles(self) -> Profiles:
        """Those in force."""
        return self._profiles

    def set_profiles(self, profiles: Profiles) -> None:
        """After a reload: other profiles; everything is learnt anew."""
        self._profiles = profiles
        self._plans.clear()
        self._facts.clear()
        self._courses, self._shapes = Courses(), Shapes()

    async def poll(self, device: Device, credential: Credential, *, full: bool = False) -> PollResult:
        """One poll. Never raises for what a device does: ``ok`` is False and ``reason`` says why."""
        facts = self._facts.get(device.id)
        if facts is None or facts.device != device:
            facts = self._facts[device.id] = Facts(device)
        run = _Run(
            target=Target(device.address, device.port, credential, device.id),
            facts=facts,
            started_at=self._clock.now(),
            started_mono=self._clock.mono(),
            full=full or facts.plan is None or self._clock.now() >= facts.slow_due,
            manner=self._manner(facts),
        )
        try:
            if facts.routine is not None and (result := await self._repeat(run, facts.routine)) is not None:
                return result
            facts.take_out(self._oids)
            await self._identify(run)
        except CollectError as error:
            return self._failure(run, error.reason)
        await self._read(run)
        return self._result(run)

    # --- as last time ------------------------------------------------------------------------------------------------

    async def _repeat(self, run: _Run, routine: Routine) -> PollResult | None:
        """The poll as a repetition of the last one; None where something is not as it was, then what came is kept."""
        facts = run.facts
        way = routine.full if run.full else routine.usual
        if way is None:
            return None
        uptime = facts.uptime

        def go(values: tuple[Value, ...]) -> bool:
            """After the first reply: whether it is the same device, not restarted."""
            nonlocal uptime
            run.read_at = self._clock.now()
            ticks, engine_s, boots = [value if isinstance(value, int) else None for value in values[: len(ALWAYS)]]
            uptime = follow_uptime(facts.uptime, run.read_at, ticks, engine_s, boots)
            return not uptime.rebooted

        run.requests = 1
        budget_s = self._config.budget_s
        found = await self._engine.repeat(run.target, way.repeat, go, budget_s=budget_s, manner=run.manner)
        run.requests, run.timeouts, run.varbinds = found.stats.requests, found.stats.timeouts, found.stats.varbinds
        values = found.values
        if values is None or way.pick(values) != way.constant:
            self.stats["not_repeated"] += 1
            run.recorder = Recorder(found.answers)
            if found.others or values is not None:
                facts.routine = None
            return None
        self.stats["repeated"] += 1
        facts.uptime = uptime
        if run.full:
            self.stats["full"] += 1
            facts.slow_due = facts.next_slow(self._clock.now(), self._config.slow_interval_s)
        shape = way.shape
        figures = facts.own_figures(run.read_at)
        figures += routine.infos
        figures += routine.figures(shape, values)
        split = shape.split(values)
        packed = pack(split)
        self.stats["bad_values"] += shape.bad_values(split)
        chunks: Mapping[str, bytes]
        if self._config.compact:
            chunks = TextView(shape, packed, routine.base_text, run.read_at, routine.slow_text)
        else:
            chunks = shape.text(split, routine.base_text, run.read_at, routine.slow_text)
        ports = PortsView(shape, packed, routine.slow_ports, run.read_at)
        return self._told(run, chunks, shape.families, figures, ports, {})

    def _settle(self, run: _Run, families: Mapping[str, bytes], infos: Sequence[Figure]) -> None:
        """After a poll of the general way: if nothing was wrong with it, the next ones repeat it."""
        facts = run.facts
        # The first poll asks for tables of unknown size: not the way to go again.
        usable = facts.polls > 0 and run.recorder.clean and not run.failed and not facts.uptime.rebooted
        facts.polls += 1
        if not usable:
            return
        way = make_way(
            facts, run.columns, run.recorder, families, self._courses, self._shapes, not self._config.compact
        )
        if way is None:
            return
        if not run.full:
            full = facts.full_way
            facts.routine = Routine(facts, way, infos, self._config.compact)
            facts.routine.full = full
            facts.share(way.shape)
        else:
            facts.full_way = way

    # --- asking ------------------------------------------------------------------------------------------------------

    async def _identify(self, run: _Run) -> None:
        """The first, cheap request: is it there, is it the same, was it restarted."""
        facts = run.facts
        instances = [oid for oid in facts.wanted(run.full)[1] if facts.plan and oid not in facts.plan.contexts]
        first = [*ALWAYS, *(IDENTITY if run.full else instances[: GET_SIZE - len(ALWAYS)])]
        values = await self._get(run, first)
        now = self._clock.now()

        def whole(oid: Oid) -> int | None:
            value = values[oid].value if oid in values else None
            return value if isinstance(value, int) else None

        facts.uptime = follow_uptime(facts.uptime, now, whole(SYS_UPTIME), whole(ENGINE_TIME), whole(ENGINE_BOOTS))
        if facts.uptime.rebooted:
            facts.rebooted_at = now
            self.stats["reboots"] += 1
            if not run.full:
                run.full = True
                values |= await self._get(run, list(IDENTITY))
        if run.full:
            self.stats["full"] += 1
            self._learn_identity(facts, values)
        self._put(run, values)

    def _learn_identity(self, facts: Facts, values: Mapping[Oid, VarBind]) -> None:
        found = values.get(SYS_OBJECT_ID)
        oid = as_oid(found.value) if found is not None else ()
        facts.sys_object_id = ".".join(map(str, oid))
        facts.sys_name = as_text(values[SYS_NAME].value) if SYS_NAME in values else ""
        chosen = self._profiles.choose(oid, facts.device.profiles, facts.device.kind)
        plan = self._plan(chosen)
        if facts.plan is not plan:
            facts.plan = plan
            facts.slow_rows.clear()
            facts.shapes = {}

    def _manner(self, facts: Facts) -> Manner:
        """How the device is asked; as long as nobody knows what it is, as the profiles say that the inventory names."""
        device = facts.device
        plan = facts.plan or self._plan(self._profiles.choose((), device.profiles, device.kind))
        return Manner(any_source=plan.any_source)

    def _plan(self, profiles: Sequence[Profile]) -> Plan:
        names = tuple(profile.name for profile in profiles)
        plan = self._plans.get(names)
        if plan is None:
            plan = self._plans[names] = make_plan(profiles)
        return plan

    async def _read(self, run: _Run) -> None:
        """Everything else, all at once; then again what a changed table calls for."""
        facts = run.facts
        plan = facts.plan
        assert plan is not None
        columns, instances = facts.wanted(run.full)
        run.read_at = self._clock.now()
        rest = [oid for oid in instances if oid not in run.asked]
        await asyncio.gather(
            *(self._columns(run, part, context) for context, part in plan.by_context(columns).items()),
            *(self._instances(run, part, context) for context, part in plan.by_context(rest).items()),
        )
        apply_filters(plan, run.columns, facts.slow_rows)
        if run.full:
            facts.routine = facts.full_way = None
            facts.learn(run.columns, run.failed, plan.slow)
            facts.learn_absent(run.columns, run.failed)
            self._rename(run)
            again = any(oid in plan.slow for oid in run.failed)
            wait_s = RETRY_SLOW_S if again else self._config.slow_interval_s
            facts.slow_due = facts.next_slow(self._clock.now(), wait_s)
        elif changed := facts.changed_entries(run.columns, run.failed):
            facts.routine = facts.full_way = None
            names = {oid for entry in changed for oid in plan.lookups.get(entry, ())}
            names |= {oid for oid in plan.slow_columns if oid[:-1] in changed}
            run.recorder.spoil()
            for context, part in plan.by_context(sorted(names)).items():
                await self._columns(run, part, context)
            apply_filters(plan, run.columns, facts.slow_rows)
            facts.learn(run.columns, run.failed, names)
            self._rename(run)
            self.stats["relearnt"] += 1

    def _rename(self, run: _Run) -> None:
        run.facts.rename(run.facts.values(run.columns), self.stats)

    async def _get(self, run: _Run, oids: Sequence[Oid], context: str = "") -> dict[Oid, VarBind]:
        run.requests += 1
        run.asked.update(oids)
        manner = run.manner._replace(context=context)
        found = await self._engine.get(run.target, oids, manner=manner, recorder=run.recorder)
        run.varbinds += len(found)
        return usable({varbind.oid: varbind for varbind in found})

    async def _instances(self, run: _Run, oids: Sequence[Oid], context: str) -> None:
        for start in range(0, len(oids), GET_SIZE):
            part = oids[start : start + GET_SIZE]
            try:
                self._put(run, await self._get(run, part, context))
            except CollectError as error:
                run.failed.update(dict.fromkeys(part, error.reason))
                run.recorder.spoil()

    def _put(self, run: _Run, values: Mapping[Oid, VarBind]) -> None:
        plan = run.facts.plan
        for oid, varbind in values.items():
            if plan and oid in plan.instances:
                column, index = plan.instances[oid]
                run.columns.setdefault(column, {})[index] = varbind

    async def _columns(self, run: _Run, columns: Sequence[Oid], context: str) -> None:
        plan = run.facts.plan
        left_s = self._config.budget_s - (self._clock.mono() - run.started_mono)
        try:
            found = await self._engine.columns(
                run.target,
                columns,
                budget_s=max(left_s, 0.0),
                max_repetitions=plan.max_repetitions if plan else None,
                manner=run.manner._replace(context=context),
                recorder=run.recorder,
            )
        except CollectError as error:
            run.recorder.spoil()
            run.failed.update(dict.fromkeys(columns, error.reason))
            return
        for oid, rows in found.rows.items():
            if good := usable(rows):
                run.columns[oid] = good
        run.failed.update(found.failed)
        run.requests += found.stats.requests
        run.timeouts += found.stats.timeouts
        run.varbinds += found.stats.varbinds

    # --- telling -----------------------------------------------------------------------------------------------------

    def _failure(self, run: _Run, reason: str) -> PollResult:
        down = Figure("netmon_snmp_up", tuple(sorted(run.facts.base.items())), 0.0)
        return PollResult(
            device=run.facts.device.id,
            started_at=run.started_at,
            duration_s=self._clock.mono() - run.started_mono,
            ok=False,
            reason=reason,
            figures=(down,),
            sys_name=run.facts.sys_name,
            sys_object_id=run.facts.sys_object_id,
            requests=run.requests,
            timeouts=run.requests,
        )

    def _result(self, run: _Run) -> PollResult:
        facts = run.facts
        values = facts.values(run.columns)
        ports = build_ports(values, facts.names, run.read_at)
        infos = facts.port_infos(ports)
        figures = facts.own_figures(run.read_at) + infos + facts.figures(values, run.columns)
        chunks: Mapping[str, bytes] = facts.text(run.columns, run.read_at, self.stats)
        families = {family: facts.renderer.families[family] for family in chunks}
        failed = self._failed_names(run)
        if self._config.compact:
            chunks = PackedText(chunks)
        self._settle(run, families, infos)
        if facts.routine is not None or facts.polls <= SETTLING:
            facts.put_away()
        return self._told(run, chunks, families, figures, ports, failed)

    def _told(
        self,
        run: _Run,
        chunks: Mapping[str, bytes],
        families: Mapping[str, bytes],
        figures: Sequence[Figure],
        ports: Mapping[str, Port],
        failed: Mapping[str, str],
    ) -> PollResult:
        facts = run.facts
        return PollResult(
            device=facts.device.id,
            started_at=run.started_at,
            duration_s=self._clock.mono() - run.started_mono,
            ok=True,
            chunks=chunks,
            families=families,
            figures=tuple(figures),
            ports=ports,
            sys_uptime_s=facts.uptime.uptime_s,
            sys_name=facts.sys_name,
            sys_object_id=facts.sys_object_id,
            varbinds=run.varbinds,
            requests=run.requests,
            timeouts=run.timeouts,
            failed=failed,
        )

    def _failed_names(self, run: _Run) -> dict[str, str]:
        plan = run.facts.plan
        named = {metric.oid: metric.name for metric in plan.metrics} if plan else {}
        singles = plan.instances if plan else {}
        found = {}
        for oid, reason in run.failed.items():
            column = singles[oid][0] if oid in singles else oid
            found[named.get(column, ".".join(map(str, column)))] = reason
        return found
