# What `cmake --install` puts beside the programs, and the Debian package of all of it: `./dev deb`.

# cxrd under systemd, which looks into these folders below /usr/local as below /usr.
install(FILES packaging/cxrd.service DESTINATION lib/systemd/system)
install(FILES packaging/cxrd.sysusers DESTINATION lib/sysusers.d RENAME cxrd.conf)
install(FILES packaging/cxrd.tmpfiles DESTINATION lib/tmpfiles.d RENAME cxrd.conf)

set(CXRD_MAINTAINER "The cxrd developers <cxrd@localhost>" CACHE STRING "who stands for the Debian package: a name <and an address>")

# The date in the package is that of the commit, so that the same commit makes the same package.
set(written $ENV{SOURCE_DATE_EPOCH})
if(NOT written AND GIT_FOUND)
    execute_process(COMMAND ${GIT_EXECUTABLE} log -1 --format=%ct WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
        OUTPUT_VARIABLE written OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(NOT written)
    set(written 0)
endif()
execute_process(COMMAND date -u -d @${written} "+%a, %d %b %Y %H:%M:%S +0000"
    OUTPUT_VARIABLE CXRD_WRITTEN OUTPUT_STRIP_TRAILING_WHITESPACE)

# Files that only the package has.
set(DEBIAN ${CMAKE_SOURCE_DIR}/packaging/debian)
set(MADE ${CMAKE_BINARY_DIR}/generated/debian)
configure_file(${DEBIAN}/changelog.in ${MADE}/changelog @ONLY)
function(packed from name)
    add_custom_command(OUTPUT ${MADE}/${name} COMMAND ${GZIP} -9nc ${from} > ${MADE}/${name} DEPENDS ${from})
    set_property(TARGET shared APPEND PROPERTY SOURCES ${MADE}/${name})
    install(FILES ${MADE}/${name} DESTINATION share/doc/cxrd COMPONENT debian EXCLUDE_FROM_ALL)
endfunction()
packed(${MADE}/changelog changelog.Debian.gz)
packed(${CMAKE_SOURCE_DIR}/docs/CHANGELOG.md changelog.gz)
install(FILES ${DEBIAN}/copyright DESTINATION share/doc/cxrd COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES ${DEBIAN}/cxrd.default DESTINATION /etc/default RENAME cxrd COMPONENT debian EXCLUDE_FROM_ALL)

set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON) # `cxrd` and `shared` are all that is installed
set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL Unspecified debian)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PACKAGE_CONTACT ${CXRD_MAINTAINER})
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "chest X-ray service: findings of a picture, and the training of models")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "cxrd answers over HTTP which of 14 findings a chest radiograph may show, with
maps of where, and trains models for it from tables and pictures of a site.
It reads PNG, JPEG and DICOM, and has pages for a browser.
.
Research use only. Not a medical device.")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers | systemd-sysusers, systemd | systemd-standalone-tmpfiles | systemd-tmpfiles")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
file(WRITE ${MADE}/conffiles "/etc/default/cxrd\n")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${DEBIAN}/postinst ${DEBIAN}/prerm ${DEBIAN}/postrm ${MADE}/conffiles)
include(CPack)
