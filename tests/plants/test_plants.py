#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mistakes planted in the library, one at a time, are caught by the tests that are there for them.

The sources are copied into the build directory and built there once; a plant replaces some of their text, and what it
concerns is built again. A plant whose text isn't in the source any more fails: it has to move along with the code.
"""

import os
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

SOURCE_DIR = Path(os.environ["ALEX_SOURCE_DIR"])
PLANTS_DIR = Path(os.environ["ALEX_BUILD_DIR"]) / "plants"
COPY = PLANTS_DIR / "source"
BUILD = PLANTS_DIR / "build"

# What the library and its tests are built from.
PARTS = ("CMakeLists.txt", "cmake", "include", "src", "tests")

# Power cuts enough to catch what is planted here, and no more. Histories that are right are short ones, wrong ones end
# where they are found to be.
ENVIRONMENT = {"ALEX_POWER_CUTS": "1", "ALEX_POWER_EVERY": "4", "ALEX_POWER_THREAD_CUTS": "800",
               "ALEX_THREAD_KILLS": "30", "ALEX_HISTORY_OPS": "40000"}
HISTORY_OPERATIONS = "400000"
HISTORY_IS_WRONG = ", ALEX_HISTORY_SEED="

# After which a program is taken for one that hangs, also on a machine that is busy with others.
TEST_SECONDS = 300

HISTORY = "history_test_history"
POWER = "crash_test_power"
POWER_THREADS = "crash_test_power_threads"
KILL_THREADS = "crash_test_kill_threads"
THREADS = "unit_test_api_threads"
COMMITS = "unit_test_api_threads_commit"
WRITE_TXN = "unit_test_api_write_txn"
WRITE_MODEL = "unit_test_write_txn_model"
TXN_TABLES = "unit_test_api_txn_tables"
THREADS_TABLES = "unit_test_api_threads_tables"
PROGRAMS = (HISTORY, POWER, POWER_THREADS, KILL_THREADS, THREADS, COMMITS, WRITE_TXN, WRITE_MODEL, TXN_TABLES,
            THREADS_TABLES, "crash_test_flips", "limits_test_space",
            "unit_test_api_damage", "unit_test_api_durability", "unit_test_api_fork", "unit_test_api_salvage",
            "unit_test_api_sigbus", "unit_test_api_store", "unit_test_log_cut", "unit_test_log_pwrite",
            "unit_test_log_record", "unit_test_os_file", "unit_test_store_faults")


def write_if_changed(path, content):
    """Writes a file, unless that is what it holds: the build goes by the time of the last change."""
    if not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def copy_sources():
    """Brings the copy of the sources up to date."""
    wanted = set()
    for part in PARTS:
        top = SOURCE_DIR / part
        for path in [top] if top.is_file() else top.rglob("*"):
            if path.is_file():
                wanted.add(path.relative_to(SOURCE_DIR))
    for path in wanted:
        write_if_changed(COPY / path, (SOURCE_DIR / path).read_bytes())
    for path in COPY.rglob("*"):
        if path.is_file() and path.relative_to(COPY) not in wanted:
            path.unlink()


def run(*command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          check=False, **options)


def build(*programs):
    done = run("cmake", "--build", BUILD, "--parallel", str(os.cpu_count()), "--target", *programs)
    if done.returncode != 0:
        raise AssertionError(f"building {', '.join(programs)} failed:\n{done.stdout}")


def run_test(program):
    return run(BUILD / "tests" / program, cwd=BUILD, env=os.environ | ENVIRONMENT, timeout=TEST_SECONDS)


def setUpModule():
    """Builds all without a plant, and sees every program pass."""
    copy_sources()
    generator = ["-G", "Ninja"] if shutil.which("ninja") and not (BUILD / "CMakeCache.txt").exists() else []
    done = run("cmake", "-S", COPY, "-B", BUILD, *generator, "-DCMAKE_BUILD_TYPE=None",
               "-DCMAKE_C_FLAGS=-O1 -DALEX_INTERRUPTS", "-DALEX_BUILD_TOOL=OFF", "-DALEX_BUILD_BENCH=OFF",
               "-DALEX_BUILD_EXAMPLES=OFF")
    if done.returncode != 0:
        raise AssertionError(f"configuring failed:\n{done.stdout}")
    build(*PROGRAMS)
    for program in PROGRAMS:
        done = run_test(program)
        if done.returncode != 0:
            raise AssertionError(f"{program} fails without any plant:\n{done.stdout}")


class Plants(unittest.TestCase):
    def plant(self, program, path, text, planted):
        """Plants a mistake, until the test's end, and builds a program with it."""
        source = COPY / path
        original = source.read_text(encoding="utf-8")
        self.assertEqual(1, original.count(text), f"{path} does not hold this text once:\n{text}")
        source.write_text(original.replace(text, planted), encoding="utf-8")
        self.addCleanup(source.write_text, original, encoding="utf-8")
        build(program)

    def assert_caught(self, program, path, text, planted):
        """Plants a mistake, and sees the program fail because of it."""
        self.plant(program, path, text, planted)
        done = run_test(program)
        self.assertNotEqual(0, done.returncode, f"{program} passes with this in {path}:\n{planted}")

    def assert_disproved(self, path, text, planted):
        """Plants a mistake, and sees the checker of histories find one that is wrong.

        Takes seed after seed: threads that read what was freed may crash before any history is looked at.
        """
        self.plant(HISTORY, path, text, planted)
        end = time.monotonic() + TEST_SECONDS
        seed = 1
        while not self.finds_wrong_history(seed, end - time.monotonic()):
            self.assertLess(time.monotonic(), end, f"no history is found wrong with this in {path}:\n{planted}")
            seed += 1

    @staticmethod
    def finds_wrong_history(seed, seconds):
        """Whether the checker finds a history wrong with this seed, before the time is up."""
        with tempfile.TemporaryDirectory() as directory:
            environment = os.environ | {"ALEX_HISTORY_OPS": HISTORY_OPERATIONS, "ALEX_HISTORY_SEED": str(seed),
                                        "TMPDIR": directory}
            with subprocess.Popen([BUILD / "tests" / HISTORY], env=environment, text=True, errors="replace",
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as program:
                watch = threading.Timer(seconds, program.kill)
                watch.start()
                wrong = any(HISTORY_IS_WRONG in line for line in program.stdout)
                watch.cancel()
                program.kill()
        return wrong

    # ---- syncs left out

    def test_log_sync(self):
        """A sync that doesn't sync the log."""
        self.assert_caught(POWER, "src/log/sync.c",
                           "result = os_file_sync(segment->fd, path, error);", "(void)error;")

    def test_last_segment_synced(self):
        """A sync that leaves out the segments before the last one."""
        self.assert_caught(POWER, "src/log/sync.c",
                           "for (size_t i = log->sync_from; i < count", "for (size_t i = count - 1; i < count")

    def test_manifest_sync(self):
        """A manifest that is renamed before it is synced."""
        self.assert_caught(POWER, "src/recovery/manifest.c",
                           "result = os_file_sync(fd, new_path, error);", "")

    def test_directory_sync(self):
        """A manifest whose name is not made durable."""
        self.assert_caught(POWER, "src/recovery/manifest.c",
                           "result = os_file_rename(new_path, path, error);\n"
                           "    }\n"
                           "    if (result == ALEX_OK) {\n"
                           "        result = os_directory_sync(directory, error);\n",
                           "result = os_file_rename(new_path, path, error);\n")

    def test_segment_sync(self):
        """A segment that is listed before its header is synced."""
        self.assert_caught(POWER, "src/log/segment.c",
                           "is damage, whatever else was synced. */\n"
                           "        result = os_file_sync(segment->fd, path, error);",
                           "is damage, whatever else was synced. */")

    def test_new_manifest_sync(self):
        """A segment in a store whose manifest another process renamed, and may not have made durable."""
        self.assert_caught(POWER, "src/store/open.c",
                           "result = os_directory_sync(store->path, &store->error);\n"
                           "        if (result == ALEX_OK) {\n"
                           "            result = sync_parent",
                           "if (result == ALEX_OK) {\n"
                           "            result = sync_parent")

    def test_recovery_sync(self):
        """What an opening keeps, and lets be read, without syncing it."""
        self.assert_caught(POWER, "src/log/log.c",
                           "    if (result == ALEX_OK) {\n"
                           "        result = os_file_sync(segment->fd, path, error);\n"
                           "    }\n"
                           "    segment_close(segment);\n", "    segment_close(segment);\n")

    # ---- what is durable

    def test_early_mark(self):
        """A mark of what is written, not of what is synced."""
        self.assert_caught(POWER_THREADS, "src/log/append.c",
                           "struct log_position durable = log->durable;", "struct log_position durable = log_end(log);")

    def test_latch(self):
        """A sync that failed, and doesn't stop the writes that follow."""
        self.assert_caught("unit_test_api_durability", "src/log/sync.c",
                           "atomic_store(&log->failed, result); /* never", "(void)result; /* never")

    def test_sync_again(self):
        """A sync that is made again after a signal interrupted it."""
        self.assert_caught("unit_test_os_file", "src/os/file.c",
                           "return os_calls.fdatasync(fd) == -1 ?",
                           "int again;\n    OS_RETRY(again, os_calls.fdatasync(fd));\n    return again == -1 ?")

    # ---- recovery

    def test_commit_not_required(self):
        """A batch that counts without its COMMIT."""
        self.assert_caught(POWER, "src/recovery/replay.c",
                           "out_result->dropped += replayer.pending.count;",
                           "if (result == ALEX_OK) {\n"
                           "        result = pending_apply(&replayer.pending, log, target, error);\n"
                           "    }")

    def test_damage_cut(self):
        """Damage to what was synced, cut off as if a crash had left it."""
        self.assert_caught("unit_test_log_cut", "src/recovery/replay.c",
                           "    return damaged(replayer);\n", "    return ALEX_OK;\n")

    def test_torn_value(self):
        """A record whose header reached the disk, and whose value did not."""
        self.assert_caught(POWER, "src/log/reader.c", "if ((needed || above) &&", "if ((needed || (above && false)) &&")

    # ---- damage

    def test_checksum_not_seeded(self):
        """A checksum that holds wherever the record's bytes are copied to."""
        self.assert_caught("unit_test_log_record", "src/log/record.c",
                           "return base_crc32c(base_crc32c(0, store_id, RECORD_STORE_ID_BYTES), id, sizeof id);",
                           "return (void)store_id, 0;")

    def test_checksum_not_verified(self):
        """A get that gives what is on the disk, whatever it is."""
        self.assert_caught("unit_test_api_damage", "src/store/open.c",
                           ".verify = !store->options.no_checksums,", ".verify = false,")

    # ---- the rest

    def test_lock_not_taken(self):
        """A store that two processes may write to."""
        self.assert_caught("unit_test_api_store", "src/os/file.c",
                           "if (os_calls.set_lock(fd, &lock) == 0) {", "if (fd >= 0) {")

    def test_allocation_unchecked(self):
        """A record that is built though there was no memory for it."""
        self.assert_caught("unit_test_log_pwrite", "src/log/append.c",
                           "if (stage == NULL) {", "if (stage_bytes == 0) {")

    # ---- faults and damage

    def test_latch_of_the_manifest(self):
        """A sync of the manifest or of a segment that is tried again after it has failed."""
        self.assert_caught("unit_test_store_faults", "src/log/prepare.c",
                           "        atomic_store(&log->failed, result);\n", "")

    def test_memory_left(self):
        """A manifest that could not be written, and whose bytes stay in memory."""
        self.assert_caught("unit_test_store_faults", "src/recovery/manifest.c",
                           "    base_free(bytes);\n"
                           "    if (result == ALEX_OK) {\n"
                           "        result = os_file_rename(",
                           "    if (result == ALEX_OK) {\n"
                           "        base_free(bytes);\n"
                           "        result = os_file_rename(")

    def test_file_left(self):
        """A segment that could not be made, and whose file stays."""
        self.assert_caught("unit_test_store_faults", "src/log/segment.c",
                           "bool made = segment->fd != -1;", "bool made = false;")

    def test_spare_space(self):
        """Space for deletes on a full disk that puts have used up."""
        self.assert_caught("limits_test_space", "src/log/prepare.c",
                           "allocated > SPARE_BYTES ? allocated - SPARE_BYTES : 0", "allocated")

    def test_guard(self):
        """A read that is not guarded against a file that can't be read."""
        self.assert_caught("unit_test_api_sigbus", "src/log/guard.c", "!log->config.catch_faults", "true")

    def test_fork(self):
        """A forked child that takes its parent's store for its own."""
        self.assert_caught("unit_test_api_fork", "src/log/log_internal.h", "!log_forked(log) && failed", "failed")

    def test_manifest_checksum(self):
        """A manifest whose checksum nobody looks at."""
        self.assert_caught("crash_test_flips", "src/recovery/manifest.c",
                           "bytes_load32(bytes + size - CHECKSUM_BYTES) != base_crc32c(", "0 * base_crc32c(")

    def test_salvaged_batch(self):
        """A batch that is salvaged in part without proof that it was committed as a whole."""
        self.assert_caught("unit_test_api_salvage", "src/recovery/salvage.c",
                           "if (!rest_is_proven(salvager, first, &met->record)) {",
                           "if (!rest_is_proven(salvager, first, &met->record) && false) {")

    # ---- writes that share a sync

    def test_published_too_far(self):
        """A sync that counts for writes which came after it had begun."""
        self.assert_caught(COMMITS, "src/store/commit.c", "        publish(store, queue->covered);",
                           "        publish(store, log_last_number(store->log));")

    def test_taken_back_in_part(self):
        """A failed sync after which deletes stay carried out."""
        self.assert_caught(COMMITS, "src/store/version.c", "if (log_ref_is_value(change->previous) ||",
                           "if (log_ref_is_tombstone(change->ref)) {\n        return;\n    }\n"
                           "    if (log_ref_is_value(change->previous) ||")

    def test_answer_without_waiting(self):
        """An answer that rests on a write which may be taken back."""
        self.assert_caught(COMMITS, "src/store/commit.c",
                           "commit->number = queue->newest != NULL ? queue->newest->number : 0;", "")

    # ---- crashes of several writers

    def test_acknowledged_too_far(self):
        """A sync after which all that waits counts as durable, what came while it was made included."""
        self.assert_caught(POWER_THREADS, "src/store/commit.c", "        publish(store, queue->covered);",
                           "        publish(store, queue->newest != NULL ? queue->newest->number : queue->covered);")

    def test_woken_too_early(self):
        """A write that returns with the next sync that ends, not with the one that covers it."""
        self.assert_caught(POWER_THREADS, "src/store/commit.c",
                           "        os_condition_wait(leads_next ? queue->next_leads : ended, queue->lock);\n",
                           "        os_condition_wait(leads_next ? queue->next_leads : ended, queue->lock);\n"
                           "        break;\n")

    def test_segment_left_out(self):
        """A sync after which a segment counts as synced that was begun, or sealed, while it was made."""
        self.assert_caught(POWER_THREADS, "src/log/sync.c", "log->sync_from = count - 1;",
                           "log->sync_from = log->segment_count - 1;")

    def test_end_of_later(self):
        """A sync that counts up to where the log ends when it is over."""
        self.assert_caught(POWER_THREADS, "src/log/sync.c", "log->durable = end;",
                           "log->durable = (struct log_position){log->tail->file_id, "
                           "segment_written_end(log, log->tail)};")

    def test_sync_of_another(self):
        """A sync that takes the one which another thread had begun before for its own."""
        self.assert_caught(POWER_THREADS, "src/log/sync.c",
                           "    while (log->syncing) {\n        os_condition_wait(log->changed, log->lock);\n",
                           "    if (log->syncing) {\n        os_condition_wait(log->changed, log->lock);\n"
                           "        return ALEX_OK;\n")

    def test_sync_after_a_failure(self):
        """A sync that is made although the one that it has waited for has failed."""
        self.assert_caught(POWER_THREADS, "src/log/sync.c",
                           "    if (log_check(log, error) != ALEX_OK) {\n        return ALEX_READ_ONLY;\n    }\n"
                           "    struct log_position end", "    struct log_position end")

    def test_nobody_woken(self):
        """A sync that fails, and leaves those waiting that have waited for it."""
        self.assert_caught(POWER_THREADS, "src/store/commit.c",
                           "        queue->leads = false;\n        wake_all(queue);\n",
                           "        queue->leads = false;\n")

    def test_left_to_the_leader(self):
        """A write that leaves its bytes to the thread that syncs, which doesn't write them."""
        self.assert_caught(KILL_THREADS, "src/store/write.c",
                           "return BASE_LIKELY(result == ALEX_OK) ? commit_settle(table->store) : result;",
                           "return result == ALEX_OK && !table->store->commits.leads ? commit_settle(table->store) "
                           ": result;")

    # ---- what readers beside a writer see

    def test_uncommitted_value(self):
        """A get that sees what is not published."""
        self.assert_caught(THREADS, "src/store/read.c",
                           "uint64_t published = mvcc_published(&table->store->mvcc);\n"
                           "    uint64_t ref = index_find(table->index, table_index_key(table, key));\n"
                           "    return ref != 0",
                           "uint64_t published = UINT64_MAX;\n"
                           "    uint64_t ref = index_find(table->index, table_index_key(table, key));\n"
                           "    return ref != 0")

    def test_uncommitted_key(self):
        """A key that exists because a batch has entered it that is not committed."""
        self.assert_caught(THREADS, "src/store/read.c", "changed <= published", "changed == changed")

    def test_unreadable_record(self):
        """An index entry that leads to a record which is only in memory that readers don't look at."""
        self.assert_caught(THREADS, "src/store/writes_commit.c",
                           "    int result = log_make_readable(store->log, &store->error);",
                           "    int result = ALEX_OK;")

    def test_early_end(self):
        """A dropped table that ends while a read is under way."""
        self.assert_caught(THREADS, "src/store/table.c", "table->ticket == 0 || !epoch_over(table->ticket)",
                           "table->ticket == 0")

    # ---- write transactions

    def test_rollback_without_abort(self):
        """A rollback that leaves its records to the COMMIT."""
        self.assert_caught(WRITE_TXN, "src/store/writes.c", "writes->abort_from = from;", "(void)from;")

    def test_rollback_without_space(self):
        """An ABORT of what was rolled back that takes the space which is kept back for the transaction's end."""
        self.assert_caught(WRITE_TXN, "src/store/writes.c",
                           "return result == ALEX_OK ? writes_append_abort(store) : result;",
                           "(void)result;\n    return writes_append_abort(store);")

    def test_tombstones_out_of_order(self):
        """Deletes of a commit that are held back with their own numbers, in the order of their keys."""
        self.assert_caught(COMMITS, "src/store/version.c",
                           "for (; at < end && (!is_known || queue->items[at].number == number); at++) {",
                           "for (; at < end && queue->items[at].number == record.number; at++) {")

    def test_rollback_that_forgets_the_overlay(self):
        """A rollback after which reads find what was taken back."""
        self.assert_caught(WRITE_MODEL, "src/store/writes.c", "        overlay_cut(part, count);\n",
                           "        part->overlaid = part->overlaid < count ? part->overlaid : count;\n")

    def test_unsorted_commit(self):
        """A commit that enters keys in the order in which they were written."""
        self.assert_caught(WRITE_MODEL, "src/store/writes_commit.c", "if (!part->ascending) {",
                           "if (!part->ascending && part->count > 64) {")

    def test_stale_run(self):
        """A cursor that doesn't look again after a write of its transaction."""
        self.assert_caught(WRITE_MODEL, "src/store/cursor.c", "cursor->changes != cursor->txn->changes",
                           "cursor->changes > cursor->txn->changes")

    def test_writes_beside_a_transaction(self):
        """A write of another thread that doesn't wait for the transaction's end."""
        self.assert_caught(WRITE_TXN, "src/store/writer.c", "bool waits = store->hold != HOLD_NONE ||",
                           "bool waits =")

    def test_buffered_put_unread(self):
        """A read in a transaction that passes over the puts that wait to be looked up together."""
        self.assert_caught(WRITE_TXN, "src/store/txn.c", "int result = writes_settle(txn->store, readable);",
                           "int result = readable && txn->is_write ? ALEX_OK : ALEX_OK;")

    def test_unreadable_own_record(self):
        """A read in a transaction of a record that the log has only in its stage."""
        self.assert_caught(WRITE_MODEL, "src/store/writes.c", "if (result == ALEX_OK && readable) {",
                           "if (result == ALEX_OK && readable && store->forks == 77) {")

    def test_rollback_that_keeps_a_name(self):
        """A rollback after which a table has the name that was taken back."""
        self.assert_caught(TXN_TABLES, "src/store/writes_tables.c",
                           "change->table->pending_name = change->name_before;",
                           "change->table->pending_name = change->table->pending_name != change->name->text\n"
                           "                                               ? change->table->pending_name : NULL;")

    def test_tables_before_the_sync(self):
        """Tables that are everyone's before the sync of their COMMIT, which fails."""
        self.assert_caught(TXN_TABLES, "src/store/writes_commit.c", " && writes->table_change_count == 0;", ";")

    def test_rename_without_accounts(self):
        """A RENAME that is counted as live for ever."""
        self.assert_caught(TXN_TABLES, "src/store/table.c", "    table->name_ref = ref;\n", "")

    def test_drop_taken_back(self):
        """A read that loads the drop of a table twice, while it is taken back."""
        self.assert_caught(THREADS_TABLES, "src/store/table.c",
                           "table_is_seen(table, mvcc_published(&table->store->mvcc))",
                           "table_drop_number(table) > mvcc_published(&table->store->mvcc)")

    def test_table_id_used_again(self):
        """An id that an uncommitted table had, and a committed one gets."""
        self.assert_caught(TXN_TABLES, "src/store/open.c", "    pass_table_ids(store, replayed->last_table);\n",
                           "    (void)pass_table_ids;\n")

    def test_rename_not_replayed(self):
        """A RENAME that an opening reads over."""
        self.assert_caught(TXN_TABLES, "src/store/replay_target.c",
                           "    int result = replay_name_table(store, table, name, record->value_bytes);\n",
                           "    int result = ALEX_OK;\n")

    # ---- histories of threads

    def test_version(self):
        """A reader that doesn't look at a node's version again."""
        self.assert_disproved("src/index/node.h",
                              "return atomic_load_explicit(&node->version, memory_order_relaxed) == version;",
                              "return (void)version, true;")

    def test_version_of_a_scan(self):
        """A scan that doesn't look whether its node has changed while it copied."""
        self.assert_disproved("src/index/scan.c",
                              "return index_read_holds(reader->steps[0].node, reader->steps[0].version);",
                              "return reader != NULL;")

    def test_put_published_early(self):
        """A put that is published before it is in the index."""
        self.assert_disproved("src/store/write.c", "    version_change(table, record->number);\n",
                              "    commit_publish(table->store, record->number);\n"
                              "    version_change(table, record->number);\n")

    def test_delete_published_early(self):
        """A delete that is published before it is in the index."""
        self.assert_disproved("src/store/version.c", "    version_change(table, number);\n",
                              "    commit_publish(table->store, number);\n    version_change(table, number);\n")

    def test_batch_published_early(self):
        """A batch that is published before its COMMIT."""
        self.assert_disproved("src/store/writes_commit.c", "        result = append_commit(",
                              "        commit_publish(store, store->writes.last_number);\n"
                              "        result = append_commit(")

    def test_published_before_the_sync(self):
        """A write that is published before its sync is made."""
        self.assert_disproved("src/store/commit.c", "    queue->covered = queue->newest->number;\n",
                              "    queue->covered = queue->newest->number;\n    publish(store, queue->covered);\n")

    def test_published_with_an_earlier_sync(self):
        """A write that is published with a sync that it came too late for."""
        self.assert_disproved("src/store/commit.c",
"        publish(store, queue->covered);",
                              "        publish(store, queue->newest != NULL ? queue->newest->number : queue->covered);")

    def test_node_freed_early(self):
        """A node that is freed though readers may be in it."""
        self.assert_disproved("src/index/pool.c", "if (pool->grace == NULL) {", "if (pool != NULL) {")

    def test_tombstone_reclaimed_early(self):
        """A deleted key that goes though a snapshot is open which sees it."""
        self.assert_disproved("src/store/version.c", "queue->items[queue->first].number <= oldest", "oldest != 0")

    def test_snapshot_not_settled(self):
        """A snapshot that goes by what was published before it was announced."""
        self.assert_disproved("src/mvcc/mvcc.c",
                              "    out_snapshot->slot = slot;\n    settle(mvcc, out_snapshot);",
                              "    BASE_INTERRUPTIBLE();\n    *out_snapshot = (struct mvcc_snapshot){number, slot};\n"
                              "    atomic_store(&slot->number, number + 1);")

    def test_snapshot_taken_as_settled(self):
        """A shortcut for snapshots of which one may yet come to see more."""
        self.assert_disproved("src/mvcc/mvcc.c", "    if ((number & MVCC_SETTLING) != 0) {",
                              "    number &= ~MVCC_SETTLING;\n    if (number == 0) {")

    def test_count_not_looked_at_again(self):
        """A count that doesn't look whether a writer came meanwhile."""
        self.assert_disproved("src/store/txn.c", "as_it_was = is_as_it_was(txn, table, &after) && after == before;",
                              "(void)after;")


if __name__ == "__main__":
    unittest.main()
