# SPDX-License-Identifier: Apache-2.0
# Each folder of tests/ is a suite, and its name the label of its tests (`ctest -L unit`). In a suite
#   test_*.c            is a cmocka program each, linked with the suite's other C files and tests/support
#   test_*.py, test_*.sh  is a script each
# A program that starts threads, or looks at the library's, is labelled `threads` as well: ThreadSanitizer and `make
# stress` run these. The target `thread_tests` builds them.
# Fuzz targets are fuzz_*.c in tests/fuzz, with seeds in tests/fuzz/corpus/<name without fuzz_>.

find_package(Python3 COMPONENTS Interpreter)
if(PKG_CONFIG_FOUND)
    pkg_check_modules(CMOCKA QUIET IMPORTED_TARGET cmocka)
endif()
if(NOT CMOCKA_FOUND)
    alex_missing("the tests in C need cmocka")
endif()
if(NOT Python3_FOUND)
    alex_missing("the tests in Python need Python 3")
endif()
find_program(SPIN_PROGRAM spin) # tests/spin looks for it again
if(NOT SPIN_PROGRAM)
    alex_missing("the tests of the models need Spin")
endif()

set(ALEX_TEST_TIMEOUT_SECONDS 600 CACHE STRING "Time that one test program may take")

# What a test may rely on: where the sources are, and the programs that were built.
set(test_environment
    "ALEX_SOURCE_DIR=${PROJECT_SOURCE_DIR}"
    "ALEX_BUILD_DIR=${PROJECT_BINARY_DIR}"
    "ALEX_BUILD_TYPE=${CMAKE_BUILD_TYPE}"
    "CMOCKA_MESSAGE_OUTPUT=TAP"
    "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:allocator_may_return_null=1"
    "UBSAN_OPTIONS=print_stacktrace=1"
    "TSAN_OPTIONS=halt_on_error=1"
    "PYTHONDONTWRITEBYTECODE=1")
if(ALEX_SANITIZE)
    list(APPEND test_environment "ALEX_SANITIZE=${ALEX_SANITIZE}")
endif()
if(TARGET alexstorage_tool)
    list(APPEND test_environment "ALEXSTORAGE_TOOL=$<TARGET_FILE:alexstorage_tool>")
endif()
if(TARGET alexstorage-bench)
    list(APPEND test_environment "ALEXSTORAGE_BENCH=$<TARGET_FILE:alexstorage-bench>")
endif()

# Registers a test under its suite's label.
function(alex_add_test name suite)
    add_test(NAME ${name} COMMAND ${ARGN} WORKING_DIRECTORY "${PROJECT_BINARY_DIR}")
    set_tests_properties(${name} PROPERTIES
        LABELS "${suite}" TIMEOUT ${ALEX_TEST_TIMEOUT_SECONDS} SKIP_RETURN_CODE 77
        ENVIRONMENT "${test_environment}")
    if(suite STREQUAL "plants") # builds the library and its tests once, and some of both for each of its plants
        math(EXPR seconds "2 * ${ALEX_TEST_TIMEOUT_SECONDS}")
        set_tests_properties(${name} PROPERTIES TIMEOUT ${seconds})
    endif()
    if(suite MATCHES "^(plants|bench|spin)$") # the longest begin first, so that no processor is idle behind them
        set_tests_properties(${name} PROPERTIES COST 1000)
    endif()
endfunction()

# What internal tests and fuzz targets are built against: the archive, with the library's own headers.
add_library(alex_test_base INTERFACE)
target_include_directories(alex_test_base INTERFACE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/tests")
target_link_libraries(alex_test_base INTERFACE
    $<TARGET_NAME_IF_EXISTS:alex_tool> alexstorage_static alex_compiler Threads::Threads m)

if(CMOCKA_FOUND)
    file(GLOB support_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/support/*.c")
    if(support_sources)
        add_library(alex_test_support STATIC ${support_sources})
        target_link_libraries(alex_test_support PUBLIC alex_test_base PkgConfig::CMOCKA)
        if(ALEX_COVERAGE)
            target_link_options(alex_test_support INTERFACE -Wl,--wrap=_exit) # see tests/support/coverage.c
        endif()
        if(ZLIB_FOUND)
            target_link_libraries(alex_test_support PRIVATE PkgConfig::ZLIB)
            target_compile_definitions(alex_test_support PRIVATE
                SUPPORT_ADDRESSES_FILE="${PROJECT_SOURCE_DIR}/data/ipv4-country.csv.gz")
        endif()
    endif()
endif()

# By one of these words a source tells that it is about threads.
set(thread_words "thread_create|os_thread_start|helper_thread_count")
add_custom_target(thread_tests)

# Labels a program's test `threads` if any of its sources, which follow, is about them.
function(alex_label_threads name target)
    foreach(source IN LISTS ARGN)
        file(STRINGS "${source}" lines REGEX "${thread_words}")
        if(NOT lines STREQUAL "")
            set_property(TEST ${name} APPEND PROPERTY LABELS threads)
            add_dependencies(thread_tests ${target})
            return()
        endif()
    endforeach()
endfunction()

# The C programs and the scripts of one suite.
function(alex_add_suite suite)
    set(folder "${PROJECT_SOURCE_DIR}/tests/${suite}")
    set(suite_needs)
    if(suite STREQUAL "bench")
        set(suite_needs alex_bench)
    endif()
    if(CMOCKA_FOUND AND (NOT suite_needs OR TARGET ${suite_needs}))
        file(GLOB programs CONFIGURE_DEPENDS "${folder}/test_*.c")
        file(GLOB shared_sources CONFIGURE_DEPENDS "${folder}/*.c")
        if(programs)
            list(REMOVE_ITEM shared_sources ${programs})
        endif()
        foreach(source IN LISTS programs)
            cmake_path(GET source STEM name)
            set(target ${suite}_${name})
            add_executable(${target} ${source} ${shared_sources})
            set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
            target_link_libraries(${target} PRIVATE
                ${suite_needs} $<TARGET_NAME_IF_EXISTS:alex_test_support> alex_test_base PkgConfig::CMOCKA)
            alex_add_test(${suite}/${name} ${suite} $<TARGET_FILE:${target}>)
            alex_label_threads(${suite}/${name} ${target} ${source} ${shared_sources})
        endforeach()
    endif()
    file(GLOB scripts CONFIGURE_DEPENDS "${folder}/test_*.py" "${folder}/test_*.sh")
    foreach(script IN LISTS scripts)
        cmake_path(GET script STEM name)
        if(script MATCHES "\\.py$" AND Python3_FOUND)
            alex_add_test(${suite}/${name} ${suite} ${Python3_EXECUTABLE} ${script})
        elseif(script MATCHES "\\.sh$")
            alex_add_test(${suite}/${name} ${suite} bash ${script})
        endif()
    endforeach()
endfunction()

file(GLOB suites RELATIVE "${PROJECT_SOURCE_DIR}/tests" CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/*")
foreach(suite IN LISTS suites)
    if(IS_DIRECTORY "${PROJECT_SOURCE_DIR}/tests/${suite}" AND NOT suite MATCHES "^(support|fuzz)$")
        alex_add_suite(${suite})
    endif()
endforeach()

# Each example has to end with 0, and the engines that the benchmark compares have to give the same answers.
set(in_empty_directory bash "${PROJECT_SOURCE_DIR}/tools/run-in-empty-directory")
foreach(source IN LISTS example_sources)
    cmake_path(GET source STEM name)
    alex_add_test(examples/${name} examples ${in_empty_directory} $<TARGET_FILE:example_${name}>)
endforeach()
if(TARGET alexstorage-bench)
    alex_add_test(bench/smoke bench ${in_empty_directory} $<TARGET_FILE:alexstorage-bench> --smoke --dir .)
endif()
if(TARGET alexstorage-bench-remap)
    alex_add_test(bench/remap bench ${in_empty_directory} $<TARGET_FILE:alexstorage-bench-remap>
        --keys 2000 --records 2000 --indexed 20000 --lookups 2000 --rounds 1 --dir .)
endif()
if(TARGET alexstorage-bench-adversary)
    alex_add_test(bench/adversary bench $<TARGET_FILE:alexstorage-bench-adversary> work 2000 500)
endif()

# Fuzz targets: with libFuzzer, or with a main() that replays the seeds and a fixed number of mutations of them.
set(ALEX_FUZZ_RUNS 20000 CACHE STRING "Mutated inputs that the smoke run gives to each fuzz target")
file(GLOB fuzz_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/fuzz/fuzz_*.c")
foreach(source IN LISTS fuzz_sources)
    cmake_path(GET source STEM target)
    string(REGEX REPLACE "^fuzz_" "" name "${target}")
    file(GLOB corpus CONFIGURE_DEPENDS LIST_DIRECTORIES true "${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name}")
    add_executable(${target} ${source} tests/fuzz/scratch.c)
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/fuzz")
    target_link_libraries(${target} PRIVATE alex_test_base)
    if(ALEX_FUZZ)
        target_link_options(${target} PRIVATE -fsanitize=fuzzer)
    else()
        target_sources(${target} PRIVATE tests/fuzz/driver.c)
        alex_add_test(fuzz/${name} fuzz $<TARGET_FILE:${target}> --runs ${ALEX_FUZZ_RUNS} ${corpus})
    endif()
endforeach()
