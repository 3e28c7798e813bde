# SPDX-License-Identifier: Apache-2.0
# What `make install` puts where: libraries, header, pkg-config and CMake package files, licence.

include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/alexstorage")

install(TARGETS alexstorage EXPORT alexstorage-shared)
install(TARGETS alexstorage_archive EXPORT alexstorage-static)
install(FILES include/alexstorage.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(FILES LICENSE NOTICE DESTINATION "${CMAKE_INSTALL_DOCDIR}")

# The static target is in a file of its own: only those who link it need ISA-L's development files.
install(EXPORT alexstorage-shared NAMESPACE alexstorage:: DESTINATION "${package_dir}")
install(EXPORT alexstorage-static NAMESPACE alexstorage:: DESTINATION "${package_dir}")
configure_package_config_file(cmake/alexstorage-config.cmake.in alexstorage-config.cmake
    INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file(alexstorage-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES
    "${PROJECT_BINARY_DIR}/alexstorage-config.cmake"
    "${PROJECT_BINARY_DIR}/alexstorage-config-version.cmake"
    DESTINATION "${package_dir}")

set(pc_requires_private "")
if(ALEX_HAVE_ISAL)
    set(pc_requires_private "libisal")
endif()
configure_file(cmake/alexstorage.pc.in alexstorage.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/alexstorage.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
