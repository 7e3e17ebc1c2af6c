/* tests/plain/main.c - the program around the tests, in a file of its own: the linker takes this from the library only where a
 * program has no main() itself. A tool without tests may link the tests' support too, whose checks are in tests.c. */
#include <criterion/criterion.h>

int main(int argc, char **argv) { return plain_run(argc, argv); }
