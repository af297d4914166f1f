//! The image's passwd file: where our uid's home is.

/// Home directory of `uid` in the text of a passwd file; none without a line for it.
pub fn home_of(uid: u32, passwd: &str) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.len() >= 7 && fields[2].parse() == Ok(uid)).then(|| fields[5])
    })
}

#[cfg(test)]
mod tests {
    use super::home_of;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n# note\nbroken:x:1000\nnode:x:1000:1000::/home/node:/bin/sh\n";

    #[test]
    fn the_first_whole_line_of_the_uid_counts() {
        assert_eq!(home_of(1000, PASSWD), Some("/home/node"));
        assert_eq!(home_of(0, PASSWD), Some("/root"));
    }

    #[test]
    fn a_uid_without_a_line_has_no_home() {
        assert_eq!(home_of(1001, PASSWD), None);
        assert_eq!(home_of(1000, ""), None);
    }
}
