"""What an operator may decide about a translation, with the defaults of the specification."""

from typing import Literal

from msgspec import Struct


class Policies(Struct, frozen=True, kw_only=True):
    """How a translator behaves where OCPP leaves a choice.

    What concerns delivery (outage, deadlines, retries) is the session's; here is what shapes messages.

    `pre_accept`: while the backend has not accepted the charger, `shield` answers for it and keeps its
    state, `strict` refuses. `late_reject`: whether a transaction that the backend refuses after the charger
    was told yes will be stopped. `offline_unknown_id`: what a token is worth that nobody knows, where no
    backend said so. `start_point`, `stop_grace_s`, `hold_available_s`, `no_auth_id_tag`,
    `inventory_refresh_s` are for 2.x chargers behind a 1.6 backend; `status_dedupe`, `orphan_stop`,
    `report_page_items` for 1.6 chargers behind a 2.x one. `leg_credentials`, `leg_certificates`: whether
    passwords and certificates of the backend's link end here, go on to the charger or are refused.
    `orphan_stop`: whether the end of a transaction whose start nobody knows is left to a person, or told with
    a start made of it. `synthetic_cable_event`: whether the transaction of a 1.6 charger begins for a 2.x
    backend when it is Preparing. `tunnel`: the vendorId under which a 1.6 peer takes what 1.6 has no message
    for; "" for none. `ocsp_bridge`: whether a 2.0.1 backend is asked for the certificates of a chain one by
    one. `enforce_transaction_limit`: whether a 2.0.1 charger's transaction is stopped at the limit of a 2.1
    backend.
    """

    pre_accept: Literal["shield", "strict"] = "shield"
    offline_unknown_id: Literal["cache_only", "accept", "reject"] = "cache_only"
    late_reject: Literal["stop", "let_run"] = "stop"
    stop_grace_s: float = 30.0
    hold_available_s: float = 5.0
    start_point: Literal["authorized_and_connected", "power_path_closed"] = "authorized_and_connected"
    remote_start_ttl_s: float = 120.0
    leg_credentials: Literal["local", "forward", "reject"] = "local"
    leg_certificates: Literal["local", "forward", "reject"] = "local"
    status_dedupe: bool = True
    orphan_stop: Literal["deadletter", "synthesise"] = "deadletter"
    no_auth_id_tag: str = "NoAuthorization"
    mac_tokens: bool = False
    inventory_refresh: bool = True
    inventory_refresh_s: float = 60.0
    report_page_items: int = 20
    synthetic_cable_event: bool = False
    tunnel: str = ""
    ocsp_bridge: bool = False
    enforce_transaction_limit: bool = False
    one_evse: bool = False
    """Whether all connectors of a 1.6 charger share one power path and so are one EVSE."""
