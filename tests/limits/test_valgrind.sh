#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs test programs under valgrind: no invalid access, no use of what was never set, no leak. Exits with 77 where that
# can't be.
set -u

if [ -n "${ALEX_SANITIZE:-}" ]; then
    echo "skipped: built with sanitizers"
    exit 77
fi
if ! command -v valgrind >/dev/null; then
    echo "skipped: valgrind is not installed"
    exit 77
fi

status=0
for program in unit_test_api_batch unit_test_api_cursor unit_test_api_misc unit_test_api_table; do
    echo "== $program"
    valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite,indirect,possible \
        --errors-for-leak-kinds=definite,indirect,possible --child-silent-after-fork=yes \
        "${ALEX_BUILD_DIR:?}/tests/$program" || status=1
done
exit $status
