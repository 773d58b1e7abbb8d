"""Where in the world a country lies, by its ISO code of two letters or its name.

Sources say countries in their own way (Last.fm-1K by names, players by codes), and a data set has few listeners of most of
them: so a feature tells one of the 22 regions of the United Nations' standard M49, not a country. They stand in an order in
which neighbours are near each other, for trees to cut. Names are those of ISO 3166-1 and those that it had before.
"""

from __future__ import annotations

from segue.features.tree import Node, where

_COUNTRIES = {
    "Northern America": """
        BM Bermuda; CA Canada; GL Greenland; PM Saint Pierre and Miquelon; US United States = United States of America =
        USA""",
    "Central America": """
        BZ Belize; CR Costa Rica; GT Guatemala; HN Honduras; MX Mexico; NI Nicaragua; PA Panama; SV El Salvador""",
    "Caribbean": """
        AG Antigua and Barbuda; AI Anguilla; AN Netherlands Antilles; AW Aruba; BB Barbados; BL Saint Barthelemy =
        Saint Barthélemy; BQ Bonaire, Sint Eustatius and Saba; BS Bahamas; CU Cuba; CW Curacao = Curaçao; DM Dominica;
        DO Dominican Republic; GD Grenada; GP Guadeloupe; HT Haiti; JM Jamaica; KN Saint Kitts and Nevis;
        KY Cayman Islands; LC Saint Lucia; MF Saint Martin = Saint Martin (French part); MQ Martinique; MS Montserrat;
        PR Puerto Rico; SX Sint Maarten = Sint Maarten (Dutch part); TC Turks and Caicos Islands;
        TT Trinidad and Tobago; VC Saint Vincent and the Grenadines; VG Virgin Islands, British =
        British Virgin Islands; VI Virgin Islands, U.S. = United States Virgin Islands""",
    "South America": """
        AR Argentina; BO Bolivia = Bolivia, Plurinational State of; BR Brazil; BV Bouvet Island; CL Chile; CO Colombia;
        EC Ecuador; FK Falkland Islands (Malvinas) = Falkland Islands; GF French Guiana;
        GS South Georgia and the South Sandwich Islands; GY Guyana; PE Peru; PY Paraguay; SR Suriname; UY Uruguay;
        VE Venezuela = Venezuela, Bolivarian Republic of""",
    "Northern Europe": """
        AX Aland Islands = Åland Islands; DK Denmark; EE Estonia; FI Finland; FO Faroe Islands; GB United Kingdom = UK =
        Great Britain; GG Guernsey; IE Ireland; IM Isle of Man; IS Iceland; JE Jersey; LT Lithuania; LV Latvia;
        NO Norway; SE Sweden; SJ Svalbard and Jan Mayen""",
    "Western Europe": """
        AT Austria; BE Belgium; CH Switzerland; DE Germany; FR France; LI Liechtenstein; LU Luxembourg; MC Monaco;
        NL Netherlands""",
    "Southern Europe": """
        AD Andorra; AL Albania; BA Bosnia and Herzegovina; CS Serbia and Montenegro; ES Spain; GI Gibraltar; GR Greece;
        HR Croatia; IT Italy; ME Montenegro; MK Macedonia = North Macedonia =
        Macedonia, the Former Yugoslav Republic of; MT Malta; PT Portugal; RS Serbia; SI Slovenia; SM San Marino;
        VA Holy See (Vatican City State) = Holy See = Vatican City; XK Kosovo""",
    "Eastern Europe": """
        BG Bulgaria; BY Belarus; CZ Czech Republic = Czechia; HU Hungary; MD Moldova = Moldova, Republic of; PL Poland;
        RO Romania; RU Russian Federation = Russia; SK Slovakia; UA Ukraine""",
    "Northern Africa": """
        DZ Algeria; EG Egypt; EH Western Sahara; LY Libya = Libyan Arab Jamahiriya; MA Morocco; SD Sudan; TN Tunisia""",
    "Western Africa": """
        BF Burkina Faso; BJ Benin; CI Cote D'Ivoire = Côte d'Ivoire = Ivory Coast; CV Cape Verde = Cabo Verde; GH Ghana;
        GM Gambia; GN Guinea; GW Guinea-Bissau; LR Liberia; ML Mali; MR Mauritania; NE Niger; NG Nigeria;
        SH Saint Helena = Saint Helena, Ascension and Tristan da Cunha; SL Sierra Leone; SN Senegal; TG Togo""",
    "Middle Africa": """
        AO Angola; CD Congo, the Democratic Republic of the = Democratic Republic of the Congo;
        CF Central African Republic; CG Congo; CM Cameroon; GA Gabon; GQ Equatorial Guinea; ST Sao Tome and Principe;
        TD Chad""",
    "Eastern Africa": """
        BI Burundi; DJ Djibouti; ER Eritrea; ET Ethiopia; IO British Indian Ocean Territory; KE Kenya; KM Comoros;
        MG Madagascar; MU Mauritius; MW Malawi; MZ Mozambique; RE Reunion = Réunion; RW Rwanda; SC Seychelles;
        SO Somalia; SS South Sudan; TF French Southern Territories; TZ Tanzania = Tanzania, United Republic of;
        UG Uganda; YT Mayotte; ZM Zambia; ZW Zimbabwe""",
    "Southern Africa": "BW Botswana; LS Lesotho; NA Namibia; SZ Swaziland = Eswatini; ZA South Africa",
    "Western Asia": """
        AE United Arab Emirates; AM Armenia; AZ Azerbaijan; BH Bahrain; CY Cyprus; GE Georgia; IL Israel; IQ Iraq;
        JO Jordan; KW Kuwait; LB Lebanon; OM Oman; PS Palestine = Palestine, State of = Palestinian Territory, Occupied;
        QA Qatar; SA Saudi Arabia; SY Syria = Syrian Arab Republic; TR Turkey = Türkiye; YE Yemen""",
    "Central Asia": "KG Kyrgyzstan; KZ Kazakhstan; TJ Tajikistan; TM Turkmenistan; UZ Uzbekistan",
    "Southern Asia": """
        AF Afghanistan; BD Bangladesh; BT Bhutan; IN India; IR Iran = Iran, Islamic Republic of; LK Sri Lanka;
        MV Maldives; NP Nepal; PK Pakistan""",
    "Eastern Asia": """
        CN China; HK Hong Kong; JP Japan; KP North Korea = Korea, Democratic People's Republic of; KR South Korea =
        Korea, Republic of; MN Mongolia; MO Macao = Macau; TW Taiwan = Taiwan, Province of China""",
    "South-eastern Asia": """
        BN Brunei = Brunei Darussalam; ID Indonesia; KH Cambodia; LA Laos = Lao People's Democratic Republic;
        MM Myanmar; MY Malaysia; PH Philippines; SG Singapore; TH Thailand; TL Timor-Leste; VN Viet Nam = Vietnam""",
    "Australia and New Zealand": """
        AU Australia; CC Cocos (Keeling) Islands; CX Christmas Island; HM Heard Island and McDonald Islands;
        NF Norfolk Island; NZ New Zealand""",
    "Melanesia": "FJ Fiji; NC New Caledonia; PG Papua New Guinea; SB Solomon Islands; VU Vanuatu",
    "Micronesia": """
        FM Micronesia = Micronesia, Federated States of; GU Guam; KI Kiribati; MH Marshall Islands;
        MP Northern Mariana Islands; NR Nauru; PW Palau; UM United States Minor Outlying Islands""",
    "Polynesia": """
        AS American Samoa; CK Cook Islands; NU Niue; PF French Polynesia; PN Pitcairn; TK Tokelau; TO Tonga; TV Tuvalu;
        WF Wallis and Futuna; WS Samoa""",
}  # fmt: skip
REGIONS = tuple(_COUNTRIES)
_AT_ONCE = 80  # countries that one chain of choices looks up: a tree may not be much deeper


def known() -> dict[str, str]:
    """Every code and every name, and the region it lies in.

    >>> known()["JP"], known()["Japan"]
    ('Eastern Asia', 'Eastern Asia')
    """
    found: dict[str, str] = {}
    for region, countries in _COUNTRIES.items():
        for country in " ".join(countries.split()).split("; "):
            code, _, names = country.partition(" ")
            found |= dict.fromkeys([code, *names.split(" = ")], region)
    return found


def region(country: Node) -> Node:
    """A country's region as its place in `REGIONS` from 1, 0 where it lies in none of them, unknown where it is."""
    places, total = list(known().items()), where(country == country, 0, None)
    for low in range(0, len(places), _AT_ONCE):
        found: Node | int = 0
        for name, of in places[low : low + _AT_ONCE]:
            found = where(country == name, REGIONS.index(of) + 1, found)
        total += found
    return total
