"""Rule packs that come with the gateway: one TOML file per brand."""
