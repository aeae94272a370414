# make torture-update: write the .ok files anew, for review (README.md here)
torture-update: $(BUILD)/test/unit/common/sip/test_torture
	$(Q)TORTURE_UPDATE=1 $<
.PHONY: torture-update
