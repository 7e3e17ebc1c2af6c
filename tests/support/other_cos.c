/* tests/support/other_cos.c - a C library that rounds otherwise, as another processor's may: preloaded, cos() is a little above what it is, from its
 * call number OTHER_COS_AFTER on. By more than a rounding, since a learning rate is rounded to a float. */
#include <dlfcn.h>
#include <stdlib.h>

double cos(double x)
{
    static double (*real)(double);
    static long left = -1;
    double y;

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "cos");
    if (left < 0)
        left = getenv("OTHER_COS_AFTER") ? atol(getenv("OTHER_COS_AFTER")) : 0;
    y = real(x);
    if (left > 0) {
        left--;
        return y;
    }
    return y + 1e-6;
}
