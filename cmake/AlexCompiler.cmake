# SPDX-License-Identifier: Apache-2.0
# Language, warnings, sanitizers and coverage, for everything that is built.

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig)

# An interface that every target of the project links to privately.
add_library(alex_compiler INTERFACE)
target_compile_definitions(alex_compiler INTERFACE _GNU_SOURCE $<$<CONFIG:Debug>:ALEX_DEBUG>
    $<$<BOOL:${ALEX_INTERRUPTS}>:ALEX_INTERRUPTS>)
target_compile_options(alex_compiler INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow
    $<$<COMPILE_LANGUAGE:C>:-Wconversion>
    $<$<BOOL:${ALEX_WERROR}>:-Werror>)

if(ALEX_SANITIZE)
    # Frame pointers for the reports; -O1 because at -O0 the tests take three times as long.
    target_compile_options(alex_compiler INTERFACE
        -fsanitize=${ALEX_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -O1)
    # gcc's manual: with sanitizers this warning has more false positives. The other builds keep it.
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
        target_compile_options(alex_compiler INTERFACE -Wno-maybe-uninitialized)
        # Fences are between atomics, which synchronise by themselves as far as this sanitizer is concerned.
        if(ALEX_SANITIZE MATCHES "thread")
            target_compile_options(alex_compiler INTERFACE -Wno-tsan)
        endif()
    endif()
    target_link_options(alex_compiler INTERFACE -fsanitize=${ALEX_SANITIZE})
endif()

if(ALEX_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "ALEX_FUZZ needs clang: configure with CMAKE_C_COMPILER=clang")
    endif()
    target_compile_definitions(alex_compiler INTERFACE ALEX_FUZZ)
    target_compile_options(alex_compiler INTERFACE -fsanitize=fuzzer-no-link)
endif()

if(ALEX_COVERAGE)
    # A build type without flags of its own, and -O0: an optimizer merges branches and leaves some out. The tests make
    # less of everything there, as they do where they are checked.
    target_compile_definitions(alex_compiler INTERFACE ALEX_COVERAGE)
    target_compile_options(alex_compiler INTERFACE --coverage -fprofile-update=atomic -g -O0)
    target_link_options(alex_compiler INTERFACE --coverage)
endif()
