# The files that are embedded to be served: those of server/ui/, openapi.yaml, also as JSON, and two libraries as Debian packages
# them. Each becomes two C arrays, plain and compressed, and generated/ui_files.c the table of them. Sets UI_SOURCES.
find_program(GZIP gzip REQUIRED)
find_file(CHART_JS chart.min.js PATHS /usr/share/javascript/chart.js REQUIRED)          # libjs-chart.js
find_file(MARKDOWN_JS markdown-it.js PATHS /usr/share/javascript/markdown-it REQUIRED)  # libjs-markdown-it
pkg_check_modules(yaml REQUIRED IMPORTED_TARGET yaml-0.1)

set(GENERATED ${CMAKE_BINARY_DIR}/generated)
add_executable(yaml2json server/ui/yaml2json.c)
target_link_libraries(yaml2json PRIVATE cxrd_flags PkgConfig::jansson PkgConfig::yaml)
add_custom_command(OUTPUT ${GENERATED}/openapi.json
    COMMAND yaml2json ${CMAKE_SOURCE_DIR}/openapi.yaml ${GENERATED}/openapi.json
    DEPENDS openapi.yaml yaml2json)

set(UI_TYPE_html "text/html; charset=utf-8")
set(UI_TYPE_css "text/css; charset=utf-8")
set(UI_TYPE_js "text/javascript; charset=utf-8")
set(UI_TYPE_json application/json)
set(UI_TYPE_svg image/svg+xml)
set(UI_TYPE_yaml application/yaml)

file(GLOB UI_PAGES CONFIGURE_DEPENDS server/ui/*.html server/ui/*.css server/ui/*.js server/ui/*.svg)
set(UI_SOURCES ${GENERATED}/ui_files.c)
set(ui_externs "")
set(ui_rows "")
foreach(file ${UI_PAGES} ${CMAKE_SOURCE_DIR}/openapi.yaml ${GENERATED}/openapi.json ${HEAT_JS} ${CHART_JS} ${MARKDOWN_JS})
    get_filename_component(name ${file} NAME)
    get_filename_component(kind ${file} LAST_EXT)
    string(SUBSTRING "${kind}" 1 -1 kind)
    string(MAKE_C_IDENTIFIER "UI_${name}" identifier)
    add_custom_command(OUTPUT ${GENERATED}/${name}.gz
        COMMAND ${GZIP} -9nc ${file} > ${GENERATED}/${name}.gz
        DEPENDS ${file})
    string(APPEND ui_rows "    { \"${name}\", \"${UI_TYPE_${kind}}\"")
    foreach(form ${file}:${identifier} ${GENERATED}/${name}.gz:${identifier}_GZIP)
        string(REGEX MATCH "^(.*):(.*)$" form "${form}")
        set(from ${CMAKE_MATCH_1})
        set(array ${CMAKE_MATCH_2})
        add_custom_command(OUTPUT ${GENERATED}/${array}.c
            COMMAND ${CMAKE_COMMAND} -DFROM=${from} -DTO=${GENERATED}/${array}.c -DNAME=${array}
                -P ${CMAKE_SOURCE_DIR}/server/embed.cmake
            DEPENDS ${from} server/embed.cmake)
        list(APPEND UI_SOURCES ${GENERATED}/${array}.c)
        string(APPEND ui_externs "extern const unsigned char ${array}[];\nextern const size_t ${array}_SIZE;\nextern const char ${array}_ETAG[];\n")
        string(APPEND ui_rows ", { ${array}, &${array}_SIZE, ${array}_ETAG }")
    endforeach()
    string(APPEND ui_rows " },\n")
endforeach()
file(CONFIGURE OUTPUT ${GENERATED}/ui_files.c @ONLY CONTENT "#include \"ui_files.h\"\n\n${ui_externs}
const struct ui_file UI_FILES[] = {\n${ui_rows}};\nconst size_t N_UI_FILES = sizeof UI_FILES / sizeof UI_FILES[0];\n")
