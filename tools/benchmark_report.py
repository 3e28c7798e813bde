# SPDX-License-Identifier: Apache-2.0
"""From results to docs/PERFORMANCE.md: medians, ratios, targets, and Markdown.

A result is one of the JSON lines that alexstorage-bench writes: a run of one engine, workload and round. A ratio is
always the other's time divided by AlexStorage's, of medians over rounds.
"""

import json
import re
import statistics
from dataclasses import dataclass, field
from pathlib import PurePath

OURS = "alexstorage"
PEERS = ["rocksdb", "rocksdb-stock", "sqlite", "lmdb", "lmdb-writemap", "leveldb", "wiredtiger"]

NOTES_BEGIN = "<!-- notes begin: written by hand, kept by tools/benchmark -->"
NOTES_END = "<!-- notes end -->"
README_TABLES = {size: (f"<!-- table of {size} keys begin -->", f"<!-- table of {size} keys end -->")
                 for size in ("100K", "1M")}


@dataclass(frozen=True)
class RatioTarget:
    """Least ratios to RocksDB (tuned), SQLite and the fastest peer. Peers are taken at `other`, if that is not the same
    workload."""
    workload: str
    rocksdb: float
    sqlite: float
    fastest: float
    other: str = ""


TARGETS = [
    RatioTarget("get", 10, 8, 2),
    RatioTarget("get_many", 40, 30, 6, other="get"),
    RatioTarget("get_missing", 10, 8, 3),
    RatioTarget("insert", 12, 50, 5),
    RatioTarget("bulk_insert", 10, 30, 6),
    RatioTarget("mixed", 10, 20, 2),
    RatioTarget("scan", 4, 3, 1.3),
]
SEED_TARGETS = [
    RatioTarget("seed_bulk_insert", 4, 5, 1.5),
    RatioTarget("seed_query", 5, 5, 1.5),
    RatioTarget("seed_mixed", 5, 5, 1.5),
]
LEARNED = ["uniform", "sequential", "timestamps"]

# Rounds that a target's tables are to have.
ROUNDS = 5
ROUNDS_END = re.compile(r", \d+ rounds?$")

# What tells a case from others: all that was run in the same way, once in each round.
CASE = ("workload", "engine", "distribution", "threads", "table", "append", "remap", "layout", "off_max", "search")

# How long Linux lets a thread go on before it is another's turn, on two cores: 0.7 ms times 1 + log2(cores).
QUANTUM_NS = 1_400_000

# The calls that it takes for a percentile to be told from the longest one; as in bench/report.c.
PERCENTILE_CALLS = {"50": 1, "99": 100, "999": 1000, "9999": 10000}


class Results:
    """The runs of one table."""

    def __init__(self, runs):
        self.runs = runs

    @classmethod
    def read(cls, path):
        """Those in a file, none if there is no file. What an interrupted run left of a last line doesn't count. A file
        of keys goes by its name without folders."""
        runs = []
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    run = json.loads(line)
                except json.JSONDecodeError:
                    continue
                if run.get("distribution", "").startswith("file:"):
                    run["distribution"] = PurePath(run["distribution"].removeprefix("file:")).name
                runs.append(run)
        return cls(runs)

    def where(self, **fields):
        return Results([run for run in self.runs if all(run.get(name) == value for name, value in fields.items())])

    def values(self, field):
        """What a field has in each run, first seen first, without repeats."""
        return list(dict.fromkeys(run[field] for run in self.runs if field in run))

    def median(self, field="ns_per_op"):
        """Over the rounds; None if no run has the field."""
        numbers = [run[field] for run in self.runs if run.get(field) is not None]
        return statistics.median(numbers) if numbers else None

    def least(self, field="ns_per_op"):
        return min(run[field] for run in self.runs)

    def greatest(self, field="ns_per_op"):
        return max(run[field] for run in self.runs)

    def rounds(self):
        """The least and the greatest number of rounds that a case has, for a benchmark may stop within a round."""
        rounds = {}
        for run in self.runs:
            rounds.setdefault(tuple(run.get(name) for name in CASE), set()).add(run["round"])
        counts = [len(of_case) for of_case in rounds.values()]
        return min(counts, default=0), max(counts, default=0)


@dataclass(frozen=True)
class Surroundings:
    """With what a table was measured."""
    machine: dict = field(default_factory=dict)   # texts by what they are about
    engines: dict = field(default_factory=dict)   # version and settings by name
    sittings: list = field(default_factory=list)  # in order, each with "time" and "commit", which may be None

    def text(self):
        """When it was measured, and at which commits."""
        days = [sitting["time"][:10] for sitting in self.sittings]
        commits = dict.fromkeys(sitting["commit"] for sitting in self.sittings if sitting["commit"])
        when = f"on {days[0]}" if days[0] == days[-1] else f"from {days[0]} to {days[-1]}"
        return f"measured {when}" + (f" at {', '.join(commits)}" if commits else "")


def ratio(numerator, denominator):
    return numerator / denominator if numerator is not None and denominator else None


def percent(share):
    return None if share is None else 100 * share


def ratio_to(results, engine, workload, other=""):
    """The engine's time divided by ours; None if either was not measured."""
    theirs = results.where(engine=engine, workload=other or workload).median()
    return ratio(theirs, results.where(engine=OURS, workload=workload).median())


def range_text(theirs, ours):
    """The least and the greatest of their time divided by ours in the same round; empty if there are not two."""
    own = {run["round"]: run["ns_per_op"] for run in ours.runs}
    ratios = [run["ns_per_op"] / own[run["round"]] for run in theirs.runs if run["round"] in own]
    return f"{short(min(ratios))} to {short(max(ratios))}" if len(ratios) > 1 else ""


def fastest_peer(results, workload):
    """The name of the peer with the least median time; None if none was measured."""
    times = {peer: results.where(engine=peer, workload=workload).median() for peer in PEERS}
    times = {peer: time for peer, time in times.items() if time is not None}
    return min(times, key=times.get) if times else None


# ---- texts

def short(number):
    """Three significant digits."""
    size = abs(number)
    return f"{number:.{2 if size < 9.995 else 1 if size < 99.95 else 0}f}"


def time_text(ns):
    for limit, divisor, unit in ((1e3, 1, "ns"), (1e6, 1e3, "µs"), (1e9, 1e6, "ms")):
        if ns < limit:
            return f"{short(ns / divisor)} {unit}"
    return f"{short(ns / 1e9)} s"


def ratio_text(number):
    """Three significant digits, two decimals at most; but two significant digits where less would be left."""
    if number is None:
        return ""
    if 0 < number < 0.0995:
        exponent = int(f"{number:.1e}".split("e")[1])
        return f"{number:.{1 - exponent}f}x"
    return f"{short(number)}x"


def percentile_text(results, name):
    """A dash where there were too few calls for it to mean anything."""
    calls = results.median("calls")
    return time_text(results.median(f"p{name}_ns")) if calls >= PERCENTILE_CALLS[name] else "–"


def count_text(number):
    for divisor, unit in ((10**9, "G"), (10**6, "M"), (10**3, "K")):
        if number >= divisor and number % divisor == 0:
            return f"{number // divisor}{unit}"
    return str(number)


def markdown_table(head, rows):
    """First column to the left, others to the right, padded so that it reads as plain text too."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(head))]
    lines = []
    for number, row in enumerate(cells):
        padded = [cell.ljust(width) if column == 0 else cell.rjust(width)
                  for column, (cell, width) in enumerate(zip(row, widths))]
        lines.append("| " + " | ".join(padded) + " |")
        if number == 0:
            rules = ["-" * (width + 2) if column == 0 else "-" * (width + 1) + ":"
                     for column, width in enumerate(widths)]
            lines.append("|" + "|".join(rules) + "|")
    return "\n".join(lines)


# ---- targets

def rounds_text(*compared):
    """Behind a target's name: how often what it compares was measured, the least of all, if less often than others."""
    rounds = min((least for least, _ in (results.rounds() for results in compared) if least > 0), default=ROUNDS)
    return "" if rounds >= ROUNDS else f", {rounds} round{'s' if rounds > 1 else ''}"


def medians_text(results):
    """Of how many rounds a table's figures are medians."""
    least, greatest = results.rounds()
    return (f"medians of {least} to {greatest} rounds" if least < greatest else
            f"medians of {least} round{'s' if least > 1 else ''}")


def verdict(value, bound, at_least=True, note=""):
    """A figure beside its bound and whether it keeps to it."""
    if value is None:
        return f"not measured (target {'≥' if at_least else '≤'} {bound:g})"
    met = value >= bound if at_least else value <= bound
    sign = {(True, True): "≥", (True, False): "<", (False, True): "≤", (False, False): ">"}[at_least, met]
    text = f"{ratio_text(value).removesuffix('x')} {sign} {bound:g} " + ("met" if met else "missed")
    return (text if met else f"**{text}**") + (f" ({note})" if note else "")


def ratio_row(results, target, size):
    peers_at = target.other or target.workload
    ours = results.where(engine=OURS, workload=target.workload)
    fastest = fastest_peer(results, peers_at)
    compared = [ours, *(results.where(engine=peer, workload=peers_at) for peer in PEERS)]
    label = f"{target.workload}, {size}" + (f" (their {target.other})" if target.other else "") + rounds_text(*compared)
    cells = []
    for peer, bound, name in (("rocksdb", target.rocksdb, ""), ("sqlite", target.sqlite, ""),
                              (fastest, target.fastest, fastest)):
        alike = ratio_to(results, peer, target.workload) if target.other else None
        notes = [name, range_text(results.where(engine=peer, workload=peers_at), ours),
                 "" if alike is None else f"{short(alike)} at their {target.workload}"]
        cells.append(verdict(ratio_to(results, peer, target.workload, target.other), bound,
                             note=", ".join(note for note in notes if note)))
    return [label, *cells]


def ratio_targets(tables):
    """Head and rows of the table of ratios; `tables` gives results by size: "100K" for the seed's workloads, "1M",
    "10M"."""
    rows = [ratio_row(tables[size], target, size) for target in TARGETS for size in ("1M", "10M")]
    rows += [ratio_row(tables["100K"], target, "100K") for target in SEED_TARGETS]
    return ["workload, keys", "against RocksDB (tuned)", "against SQLite", "against the fastest peer"], rows


def greatest_to_uniform(results, workload, field):
    """Over all distributions, the greatest of our median as a multiple of uniform's, and that distribution."""
    own = results.where(engine=OURS, workload=workload)
    uniform = own.where(distribution="uniform").median(field)
    multiples = {name: ratio(own.where(distribution=name).median(field), uniform) for name in
                 own.values("distribution")}
    multiples = {name: multiple for name, multiple in multiples.items() if multiple is not None}
    if not multiples:
        return None, ""
    name = max(multiples, key=multiples.get)
    return multiples[name], name


def keys_targets(results, workloads, worst):
    """How much dearer than evenly spread keys others may be, and how deep the index may get; `worst` names those."""
    rows = []
    own = results.where(engine=OURS)
    for field, bound, label in (("ns_per_op", 3, "time"), ("index_bytes_per_key", 2, "index memory a key")):
        for workload in workloads:
            value, name = greatest_to_uniform(results, workload, field)
            rounds = rounds_text(own.where(workload=workload))
            rows.append([f"{workload}: {label} as a multiple of uniform's, {worst}{rounds}",
                         verdict(value, bound, at_least=False, note=name)])
    depths = [run["index_depth"] for run in own.runs if "index_depth" in run]
    rows.append([f"depth of the index, {worst}{rounds_text(own)}",
                 verdict(max(depths, default=None), 4, at_least=False)])
    return rows


def other_targets(tables, distributions, attacks):
    """Head and rows of what the targets say besides ratios to peers; `tables` and `distributions` give results by size:
    "1M", "10M"."""
    rows = []
    for size in ("1M", "10M"):
        gets, puts = ([tables[size].where(engine=name, workload=workload) for name in (OURS, "floor")]
                      for workload in ("get", "insert"))
        rows.append([f"get divided by the floor, {size}{rounds_text(*gets)}",
                     verdict(ratio(*(results.median() for results in gets)), 1.5, at_least=False)])
        put, loop = (results.median("p9999_ns") for results in puts)
        rows.append([f"p99.99 of a put beside that of the floor's bare loop, {size}{rounds_text(*puts)}",
                     "not measured" if put is None or loop is None else f"{time_text(put)}, {time_text(loop)}"])
    for size in ("1M", "10M"):
        for workload, bound, label in (("get", 26, "loaded in batches and reopened"),
                                       ("insert", 32, "reopened, then 300,000 random inserts")):
            own = tables[size].where(engine=OURS, workload=workload)
            rows.append([f"index memory, bytes a key, {label}, {size}{rounds_text(own)}",
                         verdict(own.median("index_bytes_per_key"), bound, at_least=False)])
    for name in LEARNED:
        of_name = distributions["1M"].where(distribution=name)
        own = of_name.where(engine=OURS, workload="get")
        rows.append([f"keys in the very cache line that their node predicts, {name}, %{rounds_text(own)}",
                     verdict(percent(own.median("predicted_line_share")), 90)])
        for workload in ("get", "insert"):
            compared = [of_name.where(engine=engine, workload=workload) for engine in ("alexstorage-binary", OURS)]
            rows.append([f"alexstorage-binary's {workload} divided by ours, {name}{rounds_text(*compared)}",
                         verdict(ratio(*(results.median() for results in compared)), 1)])
    for size in ("1M", "10M"):
        rows += keys_targets(distributions[size], ("insert", "get", "get_new"), f"worst distribution, {size}")
    rows += keys_targets(attacks, ("insert", "get_new"), "worst attack")
    return ["target", "measured"], rows


def case(results, workload, threads=1, engine=OURS):
    return results.where(engine=engine, workload=workload, threads=threads)


def time_of(results, workload, threads=1, engine=OURS, field="ns_per_op"):
    return case(results, workload, threads, engine).median(field)


def gain(results, workload, threads, engine=OURS):
    """One thread's time divided by that of several; None if either was not measured."""
    return ratio(time_of(results, workload, 1, engine), time_of(results, workload, threads, engine))


def threads_targets(threads, syncs, transactions):
    """Head and rows of what the targets say of threads and read transactions."""
    alone, beside = (time_of(threads, workload, field="p999_ns") for workload in ("get", "get_beside_writer"))
    allowed = None if alone is None else 2 * alone + QUANTUM_NS
    note = "" if alone is None or beside is None else f"{time_text(alone)}, {time_text(beside)}"
    share = ratio(time_of(transactions, "begin_end"), time_of(transactions, "get"))
    gets = [case(threads, "get", count, engine) for count in (1, 2) for engine in (OURS, "floor")]
    besides = [case(threads, workload) for workload in ("get", "get_beside_writer")]
    own_syncs = [case(syncs, "insert_sync", count) for count in (1, 16)]
    both_syncs = [case(syncs, "insert_sync", 16, engine) for engine in (OURS, "rocksdb")]
    rows = [
        [f"what a second thread gains a get, divided by what it gains the floor's{rounds_text(*gets)}",
         verdict(ratio(gain(threads, "get", 2), gain(threads, "get", 2, "floor")), 0.95)],
        [f"speed that a get keeps beside a thread that writes, %{rounds_text(*besides)}",
         verdict(percent(ratio(time_of(threads, "get"), time_of(threads, "get_beside_writer"))), 75)],
        ["p99.9 of a get beside a thread that writes, divided by twice that without one and a scheduling quantum of "
         f"{time_text(QUANTUM_NS)}{rounds_text(*besides)}",
         verdict(ratio(beside, allowed), 1, at_least=False, note=note)],
        [f"insert_sync: what 16 threads gain{rounds_text(*own_syncs)}", verdict(gain(syncs, "insert_sync", 16), 6)],
        [f"insert_sync of 16 threads: RocksDB's time divided by ours{rounds_text(*both_syncs)}",
         verdict(ratio(time_of(syncs, "insert_sync", 16, "rocksdb"), time_of(syncs, "insert_sync", 16)), 1)],
        ["beginning and ending a read transaction, % of a get" +
         rounds_text(*(case(transactions, workload) for workload in ("begin_end", "get"))),
         verdict(percent(share), 10, at_least=False)],
    ]
    return ["target: threads and transactions, 1M", "measured"], rows


# Threads that count together.
COUNTER_THREADS = 16

TXN_TARGETS = {"txn_10": 5, "txn_1k": 5, "txn_100k": 5, "txn_10_sync": 1, "txn_1k_sync": 1}


def peer_target(results, workload, bound, size):
    """A row: the fastest peer's time against ours."""
    ours = results.where(engine=OURS, workload=workload)
    peer = fastest_peer(results, workload)
    theirs = results.where(engine=peer, workload=workload)
    note = ", ".join(text for text in (peer, range_text(theirs, ours)) if text)
    return [f"{workload}, {size}: the fastest peer's time divided by ours{rounds_text(ours, theirs)}",
            verdict(ratio_to(results, peer, workload), bound, note=note)]


def write_targets(txns, counters, ranges):
    """Head and rows of what the targets say of write transactions, counters and deletes of ranges."""
    rows = [peer_target(txns, workload, bound, "1M") for workload, bound in TXN_TARGETS.items()]
    for threads in (1, COUNTER_THREADS):
        ours, theirs = (case(counters, "counter", threads, engine) for engine in (OURS, "rocksdb"))
        rows.append([f"counter, {threads_text(threads)}: RocksDB's time divided by ours{rounds_text(ours, theirs)}",
                     verdict(ratio(theirs.median(), ours.median()), 1, note=range_text(theirs, ours))])
    rows.append(peer_target(ranges, "delete_range", 1, "10M"))
    return ["target: write transactions, counters, ranges", "measured"], rows


# ---- tables of results

def threads_text(count):
    return f"{count} thread{'s' if count > 1 else ''}"


def rows_of(results):
    """Label and runs of each row: a workload, or where there are several distributions or numbers of threads one of
    each."""
    several = {field: len(results.values(field)) > 1 for field in ("distribution", "threads")}
    for distribution in results.values("distribution"):
        for workload in results.where(distribution=distribution).values("workload"):
            of_workload = results.where(distribution=distribution, workload=workload)
            for threads in of_workload.values("threads"):
                label = f"{distribution}, {workload}" if several["distribution"] else workload
                label += f", {threads_text(threads)}" if several["threads"] else ""
                yield label, of_workload.where(threads=threads)


def comparison(results, wanted=None):
    """Ratios first, then our time: a column an engine."""
    others = [name for name in wanted or results.values("engine") if name != OURS and name in results.values("engine")]
    rows = []
    for label, row in rows_of(results):
        own = row.where(engine=OURS).median()
        rows.append([label, *(ratio_text(ratio(row.where(engine=name).median(), own)) for name in others),
                     "" if own is None else time_text(own)])
    return markdown_table(["workload", *(f"vs {name}" for name in others), OURS], rows)


def details(results):
    """Every engine's median with spread, percentiles, memory and disk; and where a thread wrote meanwhile, what a put
    took it."""
    rows = []
    writes = results.median("writer_ns_per_op") is not None
    for label, row in rows_of(results):
        for engine in row.values("engine"):
            own = row.where(engine=engine)
            percentiles = [percentile_text(own, name) for name in PERCENTILE_CALLS]
            rows.append([f"{label}, {engine}", time_text(own.median()), time_text(own.least()),
                         time_text(own.greatest()), *percentiles, time_text(own.greatest("max_ns")),
                         f"{own.median('peak_rss_bytes') / 1e6:.0f} MB", f"{own.median('disk_bytes') / 1e6:.0f} MB"])
            if writes:
                put = own.median("writer_ns_per_op")
                rows[-1].append("" if put is None else time_text(put))
    return markdown_table(["workload, engine", "median", "least", "greatest", "call p50", "p99", "p99.9", "p99.99",
                           "longest", "memory", "disk", *(["writer's put"] if writes else [])], rows)


def quotients(results):
    """What threads and transactions do to each engine; empty where the results are of neither."""
    engines = results.values("engine")
    cases = []
    for workload in results.values("workload"):
        for threads in results.where(workload=workload).values("threads"):
            if workload == "get_beside_writer":
                cases.append((f"get / {workload}, {threads_text(threads)}", ("get", threads), (workload, threads)))
            elif threads > 1:
                cases.append((f"{workload}: 1 thread / {threads_text(threads)}", (workload, 1), (workload, threads)))
            elif workload in ("get_txn", "begin_end"):
                cases.append((f"{workload} / get", (workload, 1), ("get", 1)))
    rows = [[label, *(ratio_text(ratio(time_of(results, *case, engine), time_of(results, *other, engine)))
                      for engine in engines)] for label, case, other in cases]
    return markdown_table(["time / time", *engines], rows) if rows else ""


def index_figures(results):
    """What distributions do to our index; empty where the results don't say."""
    own = results.where(engine=OURS)
    uniform = own.where(distribution="uniform")
    rows = []
    for label, row in rows_of(own):
        if row.median("index_bytes_per_key") is None:
            continue
        workload = row.values("workload")[0]
        share = row.median("predicted_line_share")
        rows.append([label, ratio_text(ratio(row.median(), uniform.where(workload=workload).median())),
                     f"{row.median('index_bytes_per_key'):.1f}", "" if share is None else f"{100 * share:.1f} %",
                     f"{row.greatest('index_depth')}"])
    head = ["alexstorage", "time vs uniform", "index bytes a key", "in the predicted line", "depth"]
    return markdown_table(head, rows) if rows else ""


def slots_table(results):
    """Lookups by layout: a row for how far predictions are off and each search, layouts as ratios to the first."""
    layouts = results.values("layout")
    rows = []
    for off_max in results.values("off_max"):
        for search in results.where(off_max=off_max).values("search"):
            cells = []
            for field in ("alone_ns", "together_ns"):
                medians = [results.where(off_max=off_max, search=search, layout=layout).median(field)
                           for layout in layouts]
                cells += [f"{medians[0]:.0f}", *(ratio_text(ratio(median, medians[0])) for median in medians[1:])]
            rows.append([f"{off_max}, {search}", *cells])
    return markdown_table(["off by up to, search", "alone", *layouts[1:], "together", *layouts[1:]], rows)


def remap_tables(results):
    """The three tables of alexstorage-bench-remap."""
    writes = results.where(table="write")
    rows = []
    for append in writes.values("append"):
        never = writes.where(append=append, remap="never").median("write_ns")
        for remap in writes.where(append=append).values("remap"):
            case = writes.where(append=append, remap=remap)
            parts = [case.median(f"{part}_ns") for part in ("append", "flush", "remap", "index")]
            rows.append([f"{append}, {remap}", *(f"{part:.0f}" for part in parts), f"{case.median('write_ns'):.0f}",
                         f"{case.least('write_ns'):.0f}-{case.greatest('write_ns'):.0f}",
                         f"{100 * parts[2] / max(sum(parts), 1e-9):.1f} %",
                         ratio_text(ratio(case.median("write_ns"), never)), f"{case.median('write_and_read_ns'):.0f}",
                         f"{case.median('mappings'):.0f}"])
    first = markdown_table(["appended by, mapped anew", "append", "flush", "remap", "index", "whole write", "spread",
                            "remap's share", "vs never", "written and read", "mappings"], rows)
    headers = results.where(table="header")
    joined = headers.where(layout="joined")
    rows = []
    for layout in headers.values("layout"):
        case = headers.where(layout=layout)
        rows.append([layout, *(text for field in ("record_ns", "get_ns")
                               for text in (f"{case.median(field):.0f}",
                                            f"{case.least(field):.0f}-{case.greatest(field):.0f}",
                                            ratio_text(ratio(case.median(field), joined.median(field)))))])
    second = markdown_table(["header", "record alone", "spread", "vs joined", "whole get", "spread", "vs joined"], rows)
    medians = medians_text(results)
    return (f"Nanoseconds a write, {medians}:\n\n{first}\n\nNanoseconds a get, {medians}:\n\n{second}\n\n"
            f"Nanoseconds a lookup in memory, {medians}; others against blocks of 8 keys and 8 payloads:\n\n"
            f"{slots_table(results.where(table='slots'))}")


# ---- documents

def between(text, begin, end):
    """What is between two markers; None if they are not there."""
    if text is None or begin not in text or end not in text:
        return None
    return text.split(begin, 1)[1].split(end, 1)[0]


def replace_between(text, begin, end, inner):
    before, rest = text.split(begin, 1)
    return f"{before}{begin}\n{inner}\n{end}{rest.split(end, 1)[1]}"


def readme_table(results):
    """The README's: all workloads at one size against all peers."""
    return comparison(results, PEERS)


def not_measured(table, results, rounds):
    """The engines that the table lacks, and those that were interrupted within their first round; `rounds` has how many
    an engine has ended."""
    begun = results.values("engine")
    return [engine if engine not in begun else f"{engine} in part" for engine in table.engines
            if rounds.get(engine, 0) == 0]


def table_section(table, results, commands, surroundings, rounds):
    """A table of the document, below its title, with the commands that made it; says so if nothing is measured yet, or
    not all."""
    text = [*(f"    {command}" for command in commands), ""]
    if not results.runs:
        return "\n".join([*text, "Not measured yet."])
    if table.remap:
        return "\n".join([*text, f"{surroundings.text().capitalize()}.", "", remap_tables(results)])
    missing = not_measured(table, results, rounds)
    text += [f"{medians_text(results).capitalize()}, {surroundings.text()}." +
             (f" Not measured: {', '.join(missing)}." if missing else ""), "", comparison(results), ""]
    figures = index_figures(results) if table.several_distributions else quotients(results)
    text += [figures, ""] if figures else []
    return "\n".join([*text, "<details><summary>Spread, percentiles, memory, disk</summary>", "", details(results),
                      "", "</details>"])


def surroundings_section(lines, others, other_text):
    """What most tables were measured with, and each other thing with the titles of the tables that were with that."""
    text = "\n".join(f"- {line}" for line in lines)
    titles = {}
    for title, items in others.items():
        for item in items:
            titles.setdefault(item, []).append(title)
    other_lines = "\n".join(f"- {item} – {'; '.join(of)}" for item, of in titles.items())
    return text + (f"\n\n{other_text}:\n\n{other_lines}" if other_lines else "")


def surroundings_sections(measured, kept):
    """Machine and engines as the newest tables have them, by their titles; `measured` has each table's surroundings by
    its title, `kept` what the document said before."""
    machine = {}
    engines = {name: "" for surroundings in measured.values() for name in surroundings.engines}
    for surroundings in sorted(measured.values(), key=lambda surroundings: surroundings.sittings[-1]["time"]):
        machine = surroundings.machine
        engines |= surroundings.engines
    other_machines = {title: [f"{name}: {text}" for name, text in surroundings.machine.items()
                              if text != machine.get(name)] for title, surroundings in measured.items()}
    other_engines = {title: [line for name, line in surroundings.engines.items() if line != engines[name]]
                     for title, surroundings in measured.items()}
    machine_lines = [f"{name}: {text}" for name, text in machine.items()]
    return {"Machine": surroundings_section(keep_lines(machine_lines, kept.get("Machine", "")), other_machines,
                                            "Measured on another machine"),
            "Engines": surroundings_section(keep_lines(list(engines.values()), kept.get("Engines", "")), other_engines,
                                            "Measured with other versions or settings")}


HEAD = """# Performance

Written by `make bench-full`, but for the notes. It measures what is not measured yet; `tools/benchmark full
--render-only` writes this page from the results that are there. A table without any stays as it was, with the targets
that rest on it.

Every figure is a median over rounds, each in a process of its own, with engines taking turns within a round. "vs"
and the targets are the other's time divided by AlexStorage's: above 1, AlexStorage is faster. No write that is timed
asks for a sync, but in workloads named `_sync` every one does. Every value read is compared; AlexStorage
verifies checksums on every read, unless a table says otherwise. `full_scan` times all keys, `delete_range` half of
them, every other workload a million operations at most. Targets are held against medians; the range behind one is that
of the rounds' own ratios. Where several threads share the operations, a time is theirs together divided by the
operations of all, so that two threads that don't hinder each other halve it; `get_beside_writer` has one thread more,
which puts. How it is measured: [bench/README.md](../bench/README.md)."""


def sections_by_title(text):
    """The parts of a document below its `## ` headings, by these, without the notes."""
    notes = between(text, NOTES_BEGIN, NOTES_END)
    text = text if notes is None else text.replace(f"{NOTES_BEGIN}{notes}{NOTES_END}", "")
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)[1:]
    return {title: body.strip("\n") for title, body in zip(parts[::2], parts[1::2])}


def rows_by_label(text):
    """The cells of all table rows, by the first without its number of rounds."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return {ROUNDS_END.sub("", row[0]): row for row in rows}


def keep_rows(rows, old):
    """The rows, with those of `old` where nothing was measured of one."""
    kept = rows_by_label(old)
    return [kept.get(ROUNDS_END.sub("", row[0]), row) if all("not measured" in cell for cell in row[1:]) else row
            for row in rows]


def keep_lines(lines, old):
    """The list's lines, and those of `old` that are about something else: of engines in tables that are kept."""
    names = {line.split()[0] for line in lines}
    old_lines = [line[2:] for line in old.split("\n\n", 1)[0].splitlines() if line.startswith("- ")]
    return lines + [line for line in old_lines if line.split()[0] not in names]


def document(measured, targets, sections, old):
    """All of docs/PERFORMANCE.md; `measured` has each table's surroundings by its title, `targets` lists of rows,
    `sections` the tables' text by title. `old` is what the document was: its notes are kept, and what it says of tables
    and targets that nothing is measured of."""
    notes = between(old, NOTES_BEGIN, NOTES_END)
    notes = "\n" if notes is None else notes
    kept = sections_by_title(old or "")
    tables = [markdown_table(head, keep_rows(rows, kept.get("Targets", ""))) for head, rows in targets]
    parts = surroundings_sections(measured, kept) | {"Targets": "\n\n".join(tables)}
    texts = {title: text if title in measured else kept.get(title, text) for title, text in sections.items()}
    return "\n\n".join([HEAD, *(f"## {title}\n\n{text}" for title, text in parts.items()),
                        f"{NOTES_BEGIN}{notes}{NOTES_END}",
                        *(f"## {title}\n\n{text}" for title, text in texts.items())]) + "\n"
