/* Ending what a dead worker leaves behind: its process group, and any process that it
 * started and that is now a child of the spawner (a subreaper). Such a process is known
 * by the variable HOLDFAST_WORKER in its environment, which the worker's children
 * inherit. */
#ifndef HF_CONTROLLER_ORPHANS_H
#define HF_CONTROLLER_ORPHANS_H

#include "controller/children.h"

#define CT_ORPHAN_VARIABLE "HOLDFAST_WORKER="

/* Makes this process the parent of its descendants' orphans. */
void ct_orphans_adopt(void);
/* Kills all orphans of ours whose worker is not in the table any more. */
void ct_orphans_end(struct ct_children *children);

#endif
