/* model/image/outside/descriptor.h - descriptors that are handed to another process under small numbers. */
#ifndef MODEL_IMAGE_OUTSIDE_DESCRIPTOR_H
#define MODEL_IMAGE_OUTSIDE_DESCRIPTOR_H

/* `fd`, which is closed, as one above all that cxrd/decode.h names, so that none of them stands in another's place when they are handed
 * over; closed at exec. -1: no descriptor is free, or `fd` was -1; errno says why. */
int descriptor_above(int fd);

#endif
