# SPDX-License-Identifier: Apache-2.0
# The library: compiled once, as position-independent code, and linked as a shared object and as two archives: one with
# all its symbols, for the programs and tests here, and the one that is installed.

file(GLOB_RECURSE library_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/*.c")
if(ALEX_PORTABLE)
    add_compile_definitions(ALEX_PORTABLE) # tests of the variants see it too
endif()

set(ALEX_HAVE_ISAL OFF)
if(ALEX_WITH_ISAL AND PKG_CONFIG_FOUND)
    pkg_check_modules(ISAL QUIET IMPORTED_TARGET libisal)
    set(ALEX_HAVE_ISAL ${ISAL_FOUND})
endif()
if(ALEX_HAVE_ISAL)
    file(GLOB base_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/base/*.c")
    set_property(SOURCE ${base_sources} APPEND PROPERTY COMPILE_DEFINITIONS BASE_HAVE_ISAL)
    message(STATUS "ISA-L: ${ISAL_VERSION}")
else()
    message(STATUS "ISA-L: not used")
endif()

# What every target that holds the library's objects is linked with.
set(library_needs
    $<BUILD_INTERFACE:alex_compiler> Threads::Threads m $<$<BOOL:${ALEX_HAVE_ISAL}>:PkgConfig::ISAL>)

# Compiles the library's sources.
function(alex_add_objects target)
    add_library(${target} OBJECT ${library_sources})
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/src")
    target_link_libraries(${target} PRIVATE alex_compiler)
    if(ALEX_HAVE_ISAL)
        target_include_directories(${target} SYSTEM PRIVATE ${ISAL_INCLUDE_DIRS})
    endif()
endfunction()
alex_add_objects(alex_objects)

add_library(alexstorage SHARED $<TARGET_OBJECTS:alex_objects>)
add_library(alexstorage_static STATIC $<TARGET_OBJECTS:alex_objects>)
set_target_properties(alexstorage PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})

# Hidden visibility means nothing within an archive: a program with a log_append() of its own could not be linked. So
# what is installed is one object in which hidden symbols are local.
set(installed_object "${PROJECT_BINARY_DIR}/alexstorage.o")
add_custom_command(OUTPUT "${installed_object}"
    COMMAND "${CMAKE_LINKER}" -r $<TARGET_OBJECTS:alex_objects> -o "${installed_object}"
    COMMAND "${CMAKE_OBJCOPY}" --localize-hidden "${installed_object}"
    DEPENDS alex_objects $<TARGET_OBJECTS:alex_objects>
    COMMAND_EXPAND_LISTS VERBATIM)
add_library(alexstorage_archive STATIC "${installed_object}")
set_target_properties(alexstorage_archive PROPERTIES OUTPUT_NAME alexstorage EXPORT_NAME static)
if(NOT ALEX_SANITIZE)
    target_link_options(alexstorage PRIVATE -Wl,--no-undefined)
endif()

foreach(library IN ITEMS alexstorage alexstorage_static alexstorage_archive)
    set_target_properties(${library} PROPERTIES LINKER_LANGUAGE C)
    target_include_directories(${library} PUBLIC
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_link_libraries(${library} PRIVATE ${library_needs})
endforeach()
add_library(alexstorage::alexstorage ALIAS alexstorage)
add_library(alexstorage::static ALIAS alexstorage_archive)
