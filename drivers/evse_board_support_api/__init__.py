"""The module class evse_board_support_API: another program is the board, over MQTT."""
