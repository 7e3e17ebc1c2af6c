/* model/kernels/table.c - one instruction set's functions as a table. */
#include "simd.h"

#define KERNEL_TEXT(isa)   #isa
#define KERNEL_STRING(isa) KERNEL_TEXT(isa)

const struct kernels PRODUCTS(kernels) = {
    .name = KERNEL_STRING(KERNELS_ISA),
    .panel = P,
    .weights_transform = KERNEL(weights_transform),
    .gradient_transform = KERNEL(gradient_transform),
    .block_forward = KERNEL(block_forward),
    .block_backward = KERNEL(block_backward),
    .int12_weights = KERNEL(int12_weights),
    .int12_products = PRODUCTS(int12_products),
    .block_forward_int12 = KERNEL(block_forward_int12),
    .first_forward = KERNEL(first_forward),
    .first_backward = KERNEL(first_backward),
    .head_sums = KERNEL(head_sums),
    .convolution = KERNEL(convolution),
    .winograd = KERNEL(winograd),
    .winograd_int12 = KERNEL(winograd_int12),
    .depthwise = KERNEL(depthwise),
    .max_pool = KERNEL(max_pool),
    .mean_pool = KERNEL(mean_pool),
    .global_mean = KERNEL(global_mean),
    .add = KERNEL(add),
    .multiply = KERNEL(multiply),
    .norm = KERNEL(norm),
    .activate = KERNEL(activate),
    .batch_sums = KERNEL(batch_sums),
    .batch_norm = KERNEL(batch_norm),
    .batch_slope_sums = KERNEL(batch_slope_sums),
    .batch_slopes = KERNEL(batch_slopes),
    .filters_slope = KERNEL(filters_slope),
    .winograd_slope = KERNEL(winograd_slope),
    .depthwise_slope = KERNEL(depthwise_slope),
    .max_pool_slope = KERNEL(max_pool_slope),
    .mean_pool_slope = KERNEL(mean_pool_slope),
    .add_slope = KERNEL(add_slope),
    .multiply_slope = KERNEL(multiply_slope),
    .activate_slope = KERNEL(activate_slope),
};
