//! What the pages say of the way into Tor while it comes and goes: a system Tor in a private network.

mod needs_tor {
    mod needs_node {
        mod needs_chromium {
            use tests::{
                CTor, CTorOptions, Control, Hub, HubOptions, TestNet, await_status, run_page_suite,
            };

            use crate::SCREENSHOTS;

            /// A hub that is steered by a Tor of this machine.
            #[track_caller]
            fn hub_on(tor: &CTor) -> Hub {
                Hub::start_as(&HubOptions {
                    settings: &format!("[onion]\ncontrol = '{}'\n", tor.control()),
                    onion: Some("system"),
                    ..HubOptions::default()
                })
            }

            #[test]
            fn home_follows_the_way_into_tor() {
                // In the second network nobody takes what says where a hub is found.
                let networks = [TestNet::start(), TestNet::start_refusing_descriptors()];
                let options = CTorOptions { control: Control::Open, ..CTorOptions::default() };
                let [mut tor, stuck] = networks.each_ref().map(|network| network.c_tor(&options));
                tor.stop();
                let hubs = [hub_on(&tor), hub_on(&stuck)];
                let urls = hubs.each_ref().map(|hub| hub.owner_url().to_owned());
                let browser = std::thread::spawn(move || {
                    let urls = urls.each_ref().map(String::as_str);
                    run_page_suite("pages-tor.test.mjs", &urls, SCREENSHOTS);
                });
                await_status(&hubs[0], "/seen-no-tor", 200);
                tor.start_again();
                await_status(&hubs[0], "/seen-reachable", 200);
                tor.stop();
                browser.join().unwrap();
                for hub in hubs {
                    hub.stop();
                }
            }
        }
    }
}
