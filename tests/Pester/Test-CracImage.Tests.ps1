BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
}

AfterAll {
    Exit-CracTest
}

Describe "Test-CracImage$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        $id = Start-TestProgram "bash -c 'exec 7</etc/passwd; sleep 1000 & wait'"
        $image = Invoke-CracCheckpoint -Id $id -ImageName one -PidTimeout 0
        $path = $image.Path
        Wait-Until { -not (Test-Path "/proc/$id") -and -not (Test-Path "/proc/$($image.ProcessIds[1])") } 'the pids are free'
    }

    BeforeEach {
        $copy = "$folder/$([guid]::NewGuid())"
        Copy-Item -Recurse $path $copy
    }

    It 'finds nothing in the way of a sound image, in full and not' {
        Test-CracImage $path | Where-Object Severity -EQ Blocker | Should -BeNullOrEmpty
        Test-CracImage $path -Full | Where-Object Severity -EQ Blocker | Should -BeNullOrEmpty
        Test-CracImage $path -Quiet | Should -BeTrue
        Test-CracImage $path -Full -Quiet | Should -BeTrue
    }

    It 'finds with -Full what is wrong in <File>: <What>' -ForEach @(
        @{ What = 'another magic'; File = 'fs-*.img'; Damage = { param($b) $b[0] = $b[0] -bxor 0xff; , $b } }
        @{ What = 'cut short'; File = 'files.img'; Damage = { param($b) , $b[0..($b.Length - 4)] } }
        @{ What = 'a changed number'; File = 'ids-*.img'; Damage = { param($b) $b[-1] = $b[-1] -bxor 1; , $b } }
        @{ What = 'pages missing'; File = 'pages-1.img'; Damage = { param($b) , $b[0..($b.Length - 4097)] } }
        @{ What = 'gone'; File = 'mm-*.img'; Damage = $null }
        @{ What = 'gone'; File = 'core-*.img'; Damage = $null }
        @{ What = 'gone'; File = 'fdinfo-*.img'; Damage = $null }
    ) {
        foreach ($manifest in $true, $false) {
            $target = "$copy-$manifest"
            Copy-Item -Recurse $copy $target
            if (-not $manifest) {
                # Without the manifest's hashes, a changed number in a well-formed message shows nowhere.
                if ($What -eq 'a changed number') { continue }
                Remove-Item "$target/pscrac.json"
            }
            $found = Get-ChildItem "$target/$File" | Select-Object -First 1
            if ($Damage) { [IO.File]::WriteAllBytes($found, [byte[]] (& $Damage ([IO.File]::ReadAllBytes($found)))) }
            else { Remove-Item $found }
            Test-CracImage $target -Full -Quiet | Should -BeFalse
            $findings = @(Test-CracImage $target -Full -ErrorAction SilentlyContinue -ErrorVariable errors)
            $said = @($findings | Where-Object Severity -EQ Blocker | ForEach-Object { "$($_.What) $($_.Why)" }) + @($errors | ForEach-Object { $_.Exception.Message })
            $said -join ' ' | Should -Match ([regex]::Escape($found.Name)) -Because "$What, with$(if (-not $manifest) { 'out' }) a manifest"
        }
    }

    It 'says that a pid is taken, by whom and what to do, and that a new namespace gets round it' {
        $running = Start-TestProgram 'sleep 1000'
        $alive = Invoke-CracCheckpoint -Id $running -ImagePath "$folder/alive" -LeaveRunning
        $finding = Test-CracImage $alive | Where-Object Reason -EQ PidInUse
        $finding.Severity | Should -Be 'Blocker'
        $finding.ProcessId | Should -Be $running
        $finding.RecommendedAction | Should -Match 'PidNamespace'
        Test-CracImage $alive -Quiet | Should -BeFalse
        Test-CracImage $alive -PidNamespace New | Where-Object Reason -EQ PidInUse | Should -BeNullOrEmpty
    }

    It 'notes an id that a zombie holds, since the restore waits for it' {
        $old = Start-TestProgram 'sleep 1000'
        $held = (Invoke-CracCheckpoint $old "$folder/held").Path
        # Has a child under that pid, and does not ask how it ended until it is told to.
        Set-Content "$folder/hold.py" @'
import os, sys, time
wanted, reap = int(sys.argv[1]), sys.argv[2]
last = open("/proc/sys/kernel/ns_last_pid").read()
pid = 0
while pid != wanted:
    if pid: os.waitpid(pid, 0)
    open("/proc/sys/kernel/ns_last_pid", "w").write(str(wanted - 1))
    pid = os.fork()
    if pid == 0: os._exit(0)
open("/proc/sys/kernel/ns_last_pid", "w").write(last)
while not os.path.exists(reap): time.sleep(0.01)
os.waitpid(wanted, 0)
time.sleep(1000)
'@
        $holder = Start-TestProgram "$(Find-Program python3) '$folder/hold.py' $old '$folder/reap'"
        Wait-Until { (Test-Path "/proc/$old") -and -not (Test-Running $old) } 'a zombie holds the pid'
        $finding = Test-CracImage $held | Where-Object Reason -EQ PidInUse
        $finding.Severity | Should -Be Note
        $finding.Why | Should -Match "process $holder\b"
        Test-CracImage $held -Quiet | Should -BeTrue
        (Test-CracImage $held -PidTimeout 0 | Where-Object Reason -EQ PidInUse).Severity | Should -Be Blocker
        Test-CracImage $held -PidTimeout 0 -Quiet | Should -BeFalse
        { Restore-CracProcess $held -PidTimeout 1 -ErrorAction Stop } | Should -Throw -ErrorId 'PidInUse,*'
        Set-Content "$folder/reap" ''
        (Restore-CracProcess $held).Id | Should -Be $old
        Stop-TestProgram
    } -Skip:(-not (Get-Command python3 -ErrorAction Ignore))

    It 'tells of a file that is cut short once, with both sizes: <File>' -ForEach @(
        foreach ($file in 'files.img', 'pstree.img', 'fdinfo-*.img', 'mm-*.img', 'core-*.img', 'pages-*.img', 'pagemap-*.img', 'inventory.img') { @{ File = $file } }
    ) {
        $found = Get-ChildItem "$copy/$File" | Select-Object -First 1
        $whole = $found.Length
        $bytes = [IO.File]::ReadAllBytes($found)
        $cut = $bytes.Length - ($File -like 'pages*' ? 4096 : 3)
        [IO.File]::WriteAllBytes($found, [byte[]] $bytes[0..($cut - 1)])
        foreach ($full in $true, $false) {
            $blockers = @(Test-CracImage $copy -Full:$full | Where-Object Severity -EQ Blocker)
            $blockers | Should -HaveCount 1 -Because ($blockers -join "`n")
            $blockers[0].Reason | Should -Be ImageIncomplete
            "$($blockers[0].What) $($blockers[0].Why)" | Should -Match ([regex]::Escape($found.Name))
            $blockers[0].Why | Should -Match "\b$cut\b.*\b$whole\b"
        }
    }

    It 'says whom an image could have been written by, unless told not to look' {
        bash -c "chmod 777 '$copy'"
        (Test-CracImage $copy | Where-Object Severity -EQ Blocker).Reason | Should -Contain 'ImageNotTrusted'
        Test-CracImage $copy -SkipTrustCheck | Where-Object Reason -EQ ImageNotTrusted | Should -BeNullOrEmpty
    }

    It 'looks at an archive as at its image, and at who could have written it' {
        tar -C $copy -czf "$copy.tgz" .
        Test-CracImage "$copy.tgz" -Quiet | Should -BeTrue
        bash -c "chmod 666 '$copy.tgz'"
        Test-CracImage "$copy.tgz" -Quiet | Should -BeFalse
        (Test-CracImage "$copy.tgz" | Where-Object Severity -EQ Blocker).Reason | Should -Be 'ImageNotTrusted'
        Test-CracImage "$copy.tgz" -SkipTrustCheck -Quiet | Should -BeTrue
    }

    It 'says of a container''s archive what restores it' {
        $box = New-Item -ItemType Directory "$copy-box"
        Set-Content "$box/config.dump" '{"name":"box"}'
        $null = New-Item -ItemType Directory "$box/checkpoint"
        Copy-Item "$copy/*" "$box/checkpoint"
        tar -C $box -czf "$copy-box.tgz" .
        (Test-CracImage "$copy-box.tgz" | Where-Object Reason -EQ NotAnImage).RecommendedAction | Should -Match 'podman container restore --import'
        Test-CracImage "$copy-box.tgz" -SkipTrustCheck -Quiet | Should -BeFalse
    }

    It 'takes images from the pipeline, by value and by property, and gives one answer each with -Quiet' {
        $path, "$folder/none", $path | Test-CracImage -Quiet | Should -Be $true, $false, $true
        $image | Test-CracImage -Quiet | Should -BeTrue
        Get-Item $path | Test-CracImage -Quiet | Should -BeTrue
        [pscustomobject]@{ Path = $path } | Test-CracImage -Quiet | Should -BeTrue
        Get-CracImage | Test-CracImage -Quiet | Should -Be $true
        Test-CracImage one -Quiet | Should -BeTrue
    }

    It 'takes a path with [1] in it by -LiteralPath, and wildcards by -Path' {
        Copy-Item -Recurse $path "$folder/cr [1]"
        Test-CracImage -LiteralPath "$folder/cr [1]" -Quiet | Should -BeTrue
        Test-CracImage "$folder/cr*" -Quiet | Should -BeTrue
    }

    It 'names what is no image without -Quiet, and goes on' {
        $null = "$folder/none", $path | Test-CracImage -ErrorAction SilentlyContinue -ErrorVariable errors
        $errors.FullyQualifiedErrorId | Should -Be 'NotAnImage,PSCrac.Commands.TestCracImageCommand'
    }

    It 'changes nothing' {
        $before = Get-ChildItem $path | ForEach-Object { "$($_.Name) $($_.Length) $($_.LastWriteTimeUtc.Ticks)" }
        $null = Test-CracImage $path -Full
        Get-ChildItem $path | ForEach-Object { "$($_.Name) $($_.Length) $($_.LastWriteTimeUtc.Ticks)" } | Should -Be $before
    }

    It 'shows as a table of 80 columns' {
        bash -c "chmod 777 '$copy'"
        $lines = (Test-CracImage $copy | Out-String -Width 80).Trim().Split("`n")
        $lines[0] | Should -Be "Image: $copy"
        $lines.Where({ $_ -match '^Severity' }) | Should -Match '^Severity ProcessId What, why and RecommendedAction'
        ($lines | Measure-Object -Property Length -Maximum).Maximum | Should -BeLessOrEqual 80
    }
}
