# SPDX-License-Identifier: Apache-2.0
# The tool, the benchmark and the examples: users of <alexstorage.h> like any other. Two aren't: see bench/remap and
# bench/adversary below.

# Says that something is left out, or stops where everything is wanted.
function(alex_missing text)
    if(ALEX_REQUIRE_ALL)
        message(FATAL_ERROR "Missing: ${text}")
    endif()
    message(STATUS "Left out: ${text}")
endfunction()

if(PKG_CONFIG_FOUND)
    pkg_check_modules(JANSSON QUIET IMPORTED_TARGET jansson)
    pkg_check_modules(LMDB QUIET IMPORTED_TARGET lmdb)
    pkg_check_modules(ROCKSDB QUIET IMPORTED_TARGET rocksdb)
    pkg_check_modules(SQLITE QUIET IMPORTED_TARGET sqlite3)
    pkg_check_modules(WIREDTIGER QUIET IMPORTED_TARGET wiredtiger)
    pkg_check_modules(ZLIB QUIET IMPORTED_TARGET zlib)
endif()

if(ALEX_BUILD_TOOL AND NOT (JANSSON_FOUND AND ZLIB_FOUND))
    alex_missing("the tool needs jansson and zlib")
elseif(ALEX_BUILD_TOOL)
    # All but main() is an archive, so that tests and fuzz targets can use its parts.
    file(GLOB tool_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/cli/*.c")
    list(REMOVE_ITEM tool_sources "${PROJECT_SOURCE_DIR}/cli/main.c")
    add_library(alex_tool STATIC ${tool_sources})
    target_include_directories(alex_tool PUBLIC "${PROJECT_SOURCE_DIR}")
    target_link_libraries(alex_tool
        PUBLIC alexstorage_static
        PRIVATE alex_compiler PkgConfig::JANSSON PkgConfig::ZLIB)

    add_executable(alexstorage_tool cli/main.c)
    set_target_properties(alexstorage_tool PROPERTIES OUTPUT_NAME alexstorage)
    target_link_libraries(alexstorage_tool PRIVATE alex_tool alex_compiler)
    install(TARGETS alexstorage_tool)
endif()

find_library(LEVELDB_LIBRARY leveldb) # comes without a .pc file
find_path(LEVELDB_INCLUDE_DIR leveldb/c.h)

if(ALEX_BUILD_BENCH AND NOT (LEVELDB_LIBRARY AND LEVELDB_INCLUDE_DIR AND LMDB_FOUND AND ROCKSDB_FOUND AND SQLITE_FOUND
                             AND WIREDTIGER_FOUND AND JANSSON_FOUND AND ZLIB_FOUND))
    alex_missing("the benchmark needs jansson, LevelDB, LMDB, RocksDB, SQLite, WiredTiger and zlib")
elseif(ALEX_BUILD_BENCH)
    file(GLOB bench_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/*.c")
    list(REMOVE_ITEM bench_sources "${PROJECT_SOURCE_DIR}/bench/main.c") # so that tests can link the rest
    add_library(alex_bench OBJECT ${bench_sources})
    target_include_directories(alex_bench PRIVATE "${PROJECT_SOURCE_DIR}/include"
        INTERFACE "${PROJECT_SOURCE_DIR}/bench")
    target_include_directories(alex_bench SYSTEM PRIVATE "${LEVELDB_INCLUDE_DIR}")
    target_link_libraries(alex_bench PRIVATE alex_compiler PUBLIC "${LEVELDB_LIBRARY}"
        PkgConfig::LMDB PkgConfig::ROCKSDB PkgConfig::SQLITE PkgConfig::WIREDTIGER
        PkgConfig::JANSSON PkgConfig::ZLIB Threads::Threads m)
    target_compile_definitions(alex_bench PRIVATE BENCH_DATA_DIRECTORY="${PROJECT_SOURCE_DIR}/data")

    add_executable(alexstorage-bench bench/main.c)
    target_link_libraries(alexstorage-bench PRIVATE alex_bench alexstorage_static alex_compiler)

    # The library compiled in other ways, for the engines alexstorage-<variant>. Each is linked with the same objects
    # into a program of its own, which alexstorage-bench starts for their runs: a run has its own process anyway, so no
    # symbol needs another name.
    foreach(variant IN ITEMS binary noprefetch)
        alex_add_objects(alex_objects_${variant})
        set_target_properties(alex_objects_${variant} PROPERTIES EXPORT_COMPILE_COMMANDS OFF) # checked once is enough
        add_executable(alexstorage-bench-${variant} bench/main.c $<TARGET_OBJECTS:alex_objects_${variant}>)
        target_link_libraries(alexstorage-bench-${variant} PRIVATE alex_bench ${library_needs})
        add_dependencies(alexstorage-bench alexstorage-bench-${variant})
    endforeach()
    target_compile_definitions(alex_objects_binary PRIVATE INDEX_BISECT)
    target_compile_options(alex_objects_noprefetch PRIVATE
        "-D__builtin_prefetch(...)=((void)(__VA_ARGS__))" -Wno-unused-value)
    set_target_properties(alexstorage-bench alexstorage-bench-binary alexstorage-bench-noprefetch PROPERTIES
        LINKER_LANGUAGE C)
endif()

# Needs none of the other engines, and the library's index by its inner header: it times the index by itself.
if(ALEX_BUILD_BENCH)
    file(GLOB remap_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/remap/*.c")
    add_executable(alexstorage-bench-remap ${remap_sources} bench/support.c)
    target_include_directories(alexstorage-bench-remap PRIVATE "${PROJECT_SOURCE_DIR}/src")
    target_link_libraries(alexstorage-bench-remap PRIVATE alexstorage_static alex_compiler)

    # Writes the keys of the tests' adversary, which reads the index's nodes.
    add_executable(alexstorage-bench-adversary bench/adversary/main.c
        tests/support/adversary.c tests/support/index_work.c tests/support/keysets.c)
    target_include_directories(alexstorage-bench-adversary PRIVATE
        "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/tests")
    target_link_libraries(alexstorage-bench-adversary PRIVATE alexstorage_static alex_compiler m)
endif()

if(ALEX_BUILD_EXAMPLES)
    file(GLOB example_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/*.c")
    if(NOT ZLIB_FOUND)
        alex_missing("the example ipv4 needs zlib")
        list(REMOVE_ITEM example_sources "${PROJECT_SOURCE_DIR}/examples/ipv4.c")
    endif()
    foreach(source IN LISTS example_sources)
        cmake_path(GET source STEM name)
        add_executable(example_${name} ${source})
        set_target_properties(example_${name} PROPERTIES
            OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/examples")
        target_link_libraries(example_${name} PRIVATE alexstorage alex_compiler)
    endforeach()
    if(TARGET example_ipv4)
        target_link_libraries(example_ipv4 PRIVATE PkgConfig::ZLIB)
        target_compile_definitions(example_ipv4 PRIVATE EXAMPLE_DATA_DIRECTORY="${PROJECT_SOURCE_DIR}/data")
    endif()
endif()
