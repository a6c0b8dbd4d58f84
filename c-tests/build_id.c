/* build_id: which libnopipe.so is in this process? Prints the build-id from its PT_NOTE, or "none". */
#include "check.h"

#include <elf.h>
#include <link.h>

/* NT_GNU_BUILD_ID of the object, printed in hex. */
static void print_build_id(const struct dl_phdr_info *object, const ElfW(Phdr) * notes)
{
	const char *at = (const char *)(object->dlpi_addr + notes->p_vaddr);
	const char *end = at + notes->p_memsz;
	while (at + sizeof(ElfW(Nhdr)) <= end) {
		const ElfW(Nhdr) *note = (const void *)at;
		const char *name = at + sizeof *note;
		const char *id = name + ((note->n_namesz + 3) & ~3u);
		if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && memcmp(name, "GNU", 4) == 0) {
			char hex[2 * 64 + 1];
			CHECK(note->n_descsz <= 64);
			for (unsigned i = 0; i < note->n_descsz; i++)
				snprintf(hex + 2 * i, 3, "%02x", (unsigned char)id[i]);
			say("%s", hex);
		}
		at = id + ((note->n_descsz + 3) & ~3u);
	}
}

static int look(struct dl_phdr_info *object, size_t size, void *found)
{
	(void)size;
	if (!strstr(object->dlpi_name, "/libnopipe.so"))
		return 0;
	for (int i = 0; i < object->dlpi_phnum; i++)
		if (object->dlpi_phdr[i].p_type == PT_NOTE)
			print_build_id(object, &object->dlpi_phdr[i]);
	return *(int *)found = 1;
}

int main(void)
{
	int found = 0;
	dl_iterate_phdr(look, &found);
	if (!found)
		say("none");
	return 0;
}
