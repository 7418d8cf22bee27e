# The rules of the build.  Variables come from $(BUILD)/Makefile, which
# auto/configure writes.  Sources are found by folder: a new file needs no line
# here, an empty folder builds nothing.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

BACKEND   = $(SRC)/backend
GEN       = $(BUILD)/gen
PERL      = perl

INCS      = -I$(BACKEND) -I$(BUILD) -I$(SRC)/ngx_modules
ifeq ($(WERROR),1)
WARN_ERR  = -Werror
endif

COMPILE   = $(CC) $(PH_CFLAGS) $(PH_WARN) $(WARN_ERR) $(INCS) $(LIB_CFLAGS) \
            $(CFLAGS) -MMD -MP -MT $@ -c
LINK      = $(CC) $(PH_LDFLAGS) $(LDFLAGS)

ifeq ($(V),1)
Q         =
else
Q         = @
endif

.PHONY: all default libs programs nginx tests fuzz bench check install clean \
        config FORCE
default: all
all: libs programs nginx man tests fuzz bench


# ---- generated code -------------------------------------------------------

# The generator writes into gen.new; what differs is moved into place, so that
# an unchanged header rebuilds nothing.

DESC      := $(wildcard $(BACKEND)/mapi/desc/*.desc)
GEN_PL    := $(wildcard $(BACKEND)/mapi/desc/gen.pl)
SCHEMAS   := $(wildcard $(SRC)/conf/schema/*.sql)
EMBED_H   := $(patsubst $(SRC)/conf/schema/%.sql,$(GEN)/%_schema.h,$(SCHEMAS)) \
             $(patsubst $(SRC)/conf/templates/%.txt,$(GEN)/%_template.h, \
             $(wildcard $(SRC)/conf/templates/*.txt))

ifneq ($(GEN_PL),)
GEN_NAMES := $(basename $(notdir $(DESC)))
GEN_H     := $(GEN_NAMES:%=$(GEN)/%.h) $(GEN)/rop_handlers.h
GEN_C     := $(GEN_NAMES:%=$(GEN)/%.c)
GEN_FUZZ  := $(GEN_NAMES:%=$(GEN)/fuzz-%.c)

$(GEN)/.stamp: $(GEN_PL) $(DESC) $(wildcard $(BACKEND)/mapi/desc/*.pm)
	@echo "  GEN     $(GEN_NAMES)"
	$(Q)rm -rf $(GEN).new && mkdir -p $(GEN) $(GEN).new
	$(Q)$(PERL) $(GEN_PL) --out $(GEN).new $(DESC)
	$(Q)cd $(GEN).new && for f in *; do \
	    cmp -s $$f $(GEN)/$$f || mv -f $$f $(GEN)/$$f; done
	$(Q)rm -rf $(GEN).new
	@touch $@

$(GEN_H) $(GEN_C) $(GEN_FUZZ): $(GEN)/.stamp ;

GEN_READY := $(GEN)/.stamp $(EMBED_H)
else
GEN_READY := $(EMBED_H)
endif

# static const char mailbox_schema[] for conf/schema/mailbox.sql
$(GEN)/%_schema.h: $(SRC)/conf/schema/%.sql $(SRC)/auto/embed
	@echo "  EMBED   conf/schema/$*.sql"
	@mkdir -p $(@D)
	$(Q)sh $(SRC)/auto/embed $< $*_schema > $@.tmp && mv -f $@.tmp $@


# ---- objects --------------------------------------------------------------

$(BUILD)/o/gen/%.o: $(GEN)/%.c | $(GEN_READY)
	@echo "  CC      gen/$*.c"
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -o $@ $<

$(BUILD)/o/%.o: $(SRC)/%.c | $(GEN_READY)
	@echo "  CC      $*.c"
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -o $@ $<

# static const char quota_warning_template[] for conf/templates/quota_warning.txt
$(GEN)/%_template.h: $(SRC)/conf/templates/%.txt $(SRC)/auto/embed
	@echo "  EMBED   conf/templates/$*.txt"
	@mkdir -p $(@D)
	$(Q)sh $(SRC)/auto/embed $< $*_template > $@.tmp && mv -f $@.tmp $@

# $(call objects,FOLDER): objects of all its sources but main.c
objects = $(patsubst $(SRC)/%.c,$(BUILD)/o/%.o,$(filter-out %/main.c, \
          $(wildcard $(SRC)/$(1)/*.c) $(wildcard $(SRC)/$(1)/*/*.c)))


# ---- libraries ------------------------------------------------------------

# folder:library, in the order in which the linker needs them
LIB_DIRS  := :front tools:tools delivery:delivery exmdb:exmdb directory:directory \
             client:client store:store convert:conv mapi:mapi lib:ph

lib_dir    = $(filter-out front,$(firstword $(subst :, ,$(1))))
lib_name   = $(lastword $(subst :, ,$(1)))

# what nginx modules do without nginx: files whose name does not begin with ngx_
OBJ_front_GEN := $(patsubst $(SRC)/%.c,$(BUILD)/o/%.o,$(filter-out \
    $(wildcard $(SRC)/ngx_modules/*/ngx_*.c), \
    $(wildcard $(SRC)/ngx_modules/*/*.c)))
OBJ_mapi_GEN := $(GEN_C:$(GEN)/%.c=$(BUILD)/o/gen/%.o)

define LIBRARY
OBJ_$(call lib_name,$(1)) := $$(if $(call lib_dir,$(1)), \
                             $$(call objects,backend/$(call lib_dir,$(1)))) \
                             $$(OBJ_$(call lib_name,$(1))_GEN)
OBJS += $$(OBJ_$(call lib_name,$(1)))

$(BUILD)/lib$(call lib_name,$(1)).a: $$(OBJ_$(call lib_name,$(1)))
	@echo "  AR      $$(notdir $$@)"
	$$(Q)rm -f $$@ && $$(if $$^,ar crs $$@ $$^,ar crs $$@)

.PHONY: lib$(call lib_name,$(1))
lib$(call lib_name,$(1)): $(BUILD)/lib$(call lib_name,$(1)).a
LIBS_A += $(BUILD)/lib$(call lib_name,$(1)).a
endef

$(foreach l,$(LIB_DIRS),$(eval $(call LIBRARY,$(l))))

libs: $(LIBS_A)

# what each level may use: a level never reaches upward
a          = $(patsubst %,$(BUILD)/lib%.a,$(1))
DEPS_lib        = $(call a,ph)
DEPS_ph         = $(DEPS_lib)
DEPS_mapi       = $(call a,mapi ph)
DEPS_conv       = $(call a,conv mapi ph)
DEPS_store      = $(call a,store conv mapi ph)
DEPS_directory  = $(call a,directory mapi ph)
DEPS_exmdb      = $(call a,exmdb store conv mapi ph)
DEPS_client     = $(call a,client mapi ph)
DEPS_delivery   = $(call a,delivery client conv mapi ph)
DEPS_tools      = $(call a,tools client conv mapi ph)
DEPS_front      = $(call a,front mapi ph)
DEPS_all        = $(LIBS_A)

# test-mapi-x, fuzz-conv-x: linked with its area's libraries, others with all
area_of    = $(or $(filter lib ph mapi conv store client directory exmdb delivery tools \
             front, \
             $(word 2,$(subst -, ,$(notdir $(1))))),all)
deps_of    = $(DEPS_$(call area_of,$(1)))


# ---- programs -------------------------------------------------------------

define PROGRAM
ifneq ($$(wildcard $(BACKEND)/$(2)/main.c),)
PROGRAMS += $(BUILD)/$(1)
OBJS += $(BUILD)/o/backend/$(2)/main.o
$(BUILD)/$(1): $(BUILD)/o/backend/$(2)/main.o $$(DEPS_$(2))
	@echo "  LINK    $(1)"
	$$(Q)$$(LINK) -o $$@ $$^ $$(LIBS)
.PHONY: $(1)
$(1): $(BUILD)/$(1)
endif
endef

DAEMONS = directory exmdb delivery
$(foreach d,$(DAEMONS),$(eval $(call PROGRAM,posthorn-$(d),$(d))))
$(eval $(call PROGRAM,phctl,tools))

programs: $(PROGRAMS)


# ---- unit tests, fuzz targets, benchmarks ---------------------------------

UNIT_C    := $(wildcard $(SRC)/t/unit/test-*.c)
UNIT      := $(UNIT_C:$(SRC)/t/unit/%.c=$(BUILD)/t/%)
FUZZ_C    := $(wildcard $(SRC)/t/fuzz/fuzz-*.c)
FUZZ      := $(FUZZ_C:$(SRC)/t/fuzz/%.c=$(BUILD)/fuzz/%) \
             $(GEN_FUZZ:$(GEN)/%.c=$(BUILD)/fuzz/%)
BENCH_C   := $(wildcard $(SRC)/t/bench/*.c)
BENCH     := $(BENCH_C:$(SRC)/t/bench/%.c=$(BUILD)/bench/%)

ifeq ($(FUZZING),YES)
FUZZ_LINK  = $(LINK) -fsanitize=fuzzer
FUZZ_MAIN  =
else
FUZZ_LINK  = $(LINK)
FUZZ_MAIN  = $(BUILD)/o/t/fuzz/driver.o
endif

define UNIT_RULE
$(BUILD)/t/$(1): $(BUILD)/o/t/unit/$(1).o $$(call deps_of,$(1))
	@echo "  LINK    t/$(1)"
	@mkdir -p $$(@D)
	$$(Q)$$(LINK) -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) \
	    -Wl,--end-group $$(LIBS)
OBJS += $(BUILD)/o/t/unit/$(1).o
.PHONY: $(1)
$(1): $(BUILD)/t/$(1)
endef

define FUZZ_RULE
$(BUILD)/fuzz/$(1): $(2)/$(1).o $$(FUZZ_MAIN) $$(call $(3),$(1))
	@echo "  LINK    fuzz/$(1)"
	@mkdir -p $$(@D)
	$$(Q)$$(FUZZ_LINK) -o $$@ $$(filter %.o,$$^) -Wl,--start-group \
	    $$(filter %.a,$$^) -Wl,--end-group $$(LIBS)
OBJS += $(2)/$(1).o $$(FUZZ_MAIN)
.PHONY: $(1)
$(1): $(BUILD)/fuzz/$(1)
endef

define BENCH_RULE
$(BUILD)/bench/$(1): $(BUILD)/o/t/bench/$(1).o $$(LIBS_A)
	@echo "  LINK    bench/$(1)"
	@mkdir -p $$(@D)
	$$(Q)$$(LINK) -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) \
	    -Wl,--end-group $$(LIBS)
OBJS += $(BUILD)/o/t/bench/$(1).o
endef

gen_deps   = $(DEPS_mapi)

$(foreach t,$(basename $(notdir $(UNIT_C))),$(eval $(call UNIT_RULE,$(t))))
$(foreach t,$(basename $(notdir $(FUZZ_C))), \
    $(eval $(call FUZZ_RULE,$(t),$(BUILD)/o/t/fuzz,deps_of)))
$(foreach t,$(basename $(notdir $(GEN_FUZZ))), \
    $(eval $(call FUZZ_RULE,$(t),$(BUILD)/o/gen,gen_deps)))
$(foreach t,$(basename $(notdir $(BENCH_C))),$(eval $(call BENCH_RULE,$(t))))

tests: $(UNIT)
fuzz: $(FUZZ)
bench: $(BENCH)

check: tests
	cd $(SRC) && POSTHORN_BUILD=$(BUILD) prove --exec '' $(UNIT)


# ---- nginx modules --------------------------------------------------------

# nginx's own configure and make build them: ngx_modules/config.

NGX_CONFIGS := $(wildcard $(SRC)/ngx_modules/config)
NGX_FILES   := $(wildcard $(SRC)/ngx_modules/*/*.c)

ifneq ($(NGX_CONFIGS),)
ifeq ($(WITH_NGINX),YES)
NGX_MAKE   = $(BUILD)/nginx/Makefile
NGX_ENV    = CC="$(CC)" POSTHORN_SRC=$(SRC) POSTHORN_BUILD=$(BUILD) \
             POSTHORN_SANITIZE="$(SANITIZE)" \
             POSTHORN_LIBS="$(call a,mapi ph) $(LIBS)"

# configured anew when files come and go
$(shell mkdir -p $(BUILD); echo $(NGX_FILES) > $(BUILD)/nginx.files.new; \
    cmp -s $(BUILD)/nginx.files.new $(BUILD)/nginx.files \
    || mv -f $(BUILD)/nginx.files.new $(BUILD)/nginx.files; \
    rm -f $(BUILD)/nginx.files.new)

$(NGX_MAKE): $(NGX_CONFIGS) $(BUILD)/nginx.files $(SRC)/auto/nginx $(BUILD)/Makefile
	@echo "  CONF    nginx modules"
	$(Q)$(NGX_ENV) sh $(SRC)/auto/nginx $(NGINX_KIND) $(NGINX) $(BUILD)

# nginx's make decides; the libraries are inputs that it does not know of
nginx: $(NGX_MAKE) $(call a,mapi ph) $(GEN_READY) FORCE
	@echo "  NGINX   modules"
	$(Q)for so in $(BUILD)/nginx/*.so $(BUILD)/nginx/nginx; do \
	    for a in $(call a,mapi ph); do \
	        if [ -f $$so ] && [ $$a -nt $$so ]; then rm -f $$so; fi; \
	    done; done
	$(Q)cd `cat $(BUILD)/nginx/source` && $(MAKE) --no-print-directory \
	    $(if $(Q),-s) -f $(NGX_MAKE) \
	    $(if $(filter source,$(NGINX_KIND)),build,modules)
endif
endif


# ---- manual pages ---------------------------------------------------------

MAN        = $(BUILD)/man/posthorn.conf.5 $(BUILD)/man/posthorn-codes.7

$(BUILD)/man/.stamp: $(SRC)/auto/man $(SRC)/auto/version \
    $(wildcard $(BACKEND)/lib/options/*.def $(BACKEND)/lib/codes/*.def)
	@echo "  MAN     $(notdir $(MAN))"
	@mkdir -p $(@D)
	$(Q)$(PERL) $(SRC)/auto/man $(SRC) $(@D)
	@touch $@

$(MAN): $(BUILD)/man/.stamp ;

.PHONY: man
man: $(MAN)


# ---- install --------------------------------------------------------------

PFX        = $(DESTDIR)$(PREFIX)

install: programs nginx man
	@echo "  INSTALL $(PFX)"
	$(Q)install -d $(PFX)/sbin $(PFX)/bin $(PFX)/lib/posthorn/nginx \
	    $(PFX)/etc/posthorn $(PFX)/share/man/man1 $(PFX)/share/man/man5 \
	    $(PFX)/share/man/man7 $(PFX)/share/man/man8 \
	    $(PFX)/share/bash-completion/completions $(PFX)/share/posthorn
	$(Q)sh $(SRC)/auto/install $(SRC) $(BUILD) $(PFX) $(PREFIX)


# ---- the rest -------------------------------------------------------------

$(BUILD)/Makefile: $(filter-out %~,$(addprefix $(SRC)/auto/,configure options \
    cc feature make summary version) $(wildcard $(SRC)/auto/lib/*))
	@echo "  CONFIGURE"
	$(Q)$(CONFIGURE) > $(BUILD)/configure.log 2>&1 \
	    || { cat $(BUILD)/configure.log; exit 1; }

$(OBJS): $(BUILD)/ph_config.h
$(BUILD)/ph_config.h: ;

clean:
	rm -rf $(BUILD)/o $(BUILD)/gen $(BUILD)/t $(BUILD)/fuzz \
	    $(BUILD)/bench $(BUILD)/nginx $(BUILD)/*.a $(PROGRAMS)

FORCE:

-include $(wildcard $(BUILD)/o/*/*.d $(BUILD)/o/*/*/*.d $(BUILD)/o/*/*/*/*.d)
