"""ABB Terra AC up to firmware 1.8.21, OCPP 1.6: it is not asked for what makes it reboot.

It accepts any list of measurands and reboots when MeterValuesSampledData is read afterwards, so a backend
that reads its configuration after each boot keeps it booting for ever. The gateway answers such a question
itself. Seen in https://github.com/lbbrhzn/ocpp/issues/1275.
"""

from gateway.api import Adapter, Facts, Match, Memory, Message, backend_call

DEADLY = "MeterValuesSampledData"


class AbbTerra(Adapter):
    """A question for MeterValuesSampledData does not reach a Terra AC that would reboot from it."""

    match = Match(vendor="abb*", model="*terra*", firmware="<=1.8.21", ocpp="1.6")
    facts = Facts(
        cannot=("be asked for MeterValuesSampledData", "be asked for all configuration keys at once"),
        source="https://github.com/lbbrhzn/ocpp/issues/1275",
    )

    @backend_call("GetConfiguration")
    def spare(self, call: Message, memory: Memory) -> Message:
        """Asked for the key alone: answered here. Asked for more: the others are asked for."""
        keys = call.payload.get("key", [])
        if not any(key.lower() == DEADLY.lower() for key in keys):
            return call
        rest = [key for key in keys if key.lower() != DEADLY.lower()]
        if not rest:
            return call.answered({"unknownKey": [DEADLY]})
        return call.with_field("key", rest)
