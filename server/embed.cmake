# Turn a file into a C array and its ETag: cmake -DFROM=file -DTO=file.c -DNAME=IDENTIFIER -P embed.cmake
file(READ "${FROM}" hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "((0x[0-9a-f][0-9a-f],){24})" "\\1\n" bytes "${bytes}")
file(SHA256 "${FROM}" digest)
string(SUBSTRING "${digest}" 0 32 digest)
file(WRITE "${TO}" "#include <stddef.h>\nextern const unsigned char ${NAME}[];\nextern const size_t ${NAME}_SIZE;\nextern const char ${NAME}_ETAG[];\nconst unsigned char ${NAME}[] = {\n${bytes}\n};\nconst size_t ${NAME}_SIZE = sizeof ${NAME};\nconst char ${NAME}_ETAG[] = \"\\\"${digest}\\\"\";\n")
